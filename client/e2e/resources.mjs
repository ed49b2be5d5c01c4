// A check that is written as a file fills in the form of a monitor; what is wrong with it stands at its place.
import assert from "node:assert/strict";
import { inspect, step } from "./inspect.mjs";

const file = (host, port) => `apiVersion: v1
kind: TcpCheck
metadata:
  name: orders-db
  title: Orders database
  labels: {team: orders}
spec:
  ${host}: 127.0.0.1
  port: ${port}
  interval: 2s
  retries: 2
  channels: [{channel: ops, severity: High}]
  checks:
    - {type: reachable, operator: is, value: true}
    - {type: latency, operator: lessThan, value: 5s}
`;

/** On the page where monitors are added, with an empty form. */
export async function yamlFillsIn(page, url, port) {
  await page.goto(`${url}/uptime/create`);
  await page.getByRole("button", { name: "From YAML" }).click();
  const dialog = page.getByRole("dialog");
  const text = dialog.getByRole("textbox", { name: "Resource" });
  await text.fill(file("hosst", 70_000));
  await dialog.getByRole("button", { name: "Fill in" }).click();
  await dialog.getByText("Error at line 8, column 3").first().waitFor();
  await dialog.getByText("Did you mean").first().waitFor();
  assert.match(await dialog.getByRole("list", { name: "What is wrong" }).innerText(), /spec\.hosst is no field of a TcpCheck[\s\S]*Did you mean host\?[\s\S]*Error at line 9, column 9:\s+spec\.port/);
  assert.equal(await text.getAttribute("aria-invalid"), "true");
  await inspect(page, "the import of a file with errors");
  await dialog.getByRole("button", { name: /line 9, column 9/ }).click();
  assert.deepEqual(await text.evaluate((t) => [document.activeElement === t, t.value.slice(t.selectionStart, t.selectionEnd)]), [true, "70000"], "the cursor does not go to what is wrong");
  step("what is wrong with a file is said with its place and what was meant, and the cursor goes there");

  await text.fill(`${file("host", port)}---\n${file("host", port).replace("orders-db", "second")}`);
  await dialog.getByRole("button", { name: "Fill in" }).click();
  await dialog.getByRole("button", { name: "TcpCheck orders-db" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("status").filter({ hasText: /except for what a check does not have:.*spec\.channels/s }).waitFor();
  assert.deepEqual(await Promise.all(["Name", "Host", "Labels"].map((l) => page.getByLabel(l, { exact: true }).inputValue())), ["Orders database", "127.0.0.1", "team=orders"]);
  await page.getByText("One more rule is kept as it is: response_time less_than 5000").waitFor();
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.getByRole("heading", { name: "Orders database", level: 1 }).waitFor();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  const id = Number(new URL(page.url()).pathname.split("/")[2]);
  const made = await (await page.request.get(`${url}/api/uptime/monitors/${id}`)).json();
  assert.deepEqual([made.interval_seconds, made.retries.attempts, made.validation_rules[0].type, made.validation_rules[0].value], [2, 2, "response_time", 5000]);
  assert.equal((await page.request.delete(`${url}/api/uptime/monitors/${id}`)).status(), 204);
  step("a file fills in the form, and what the form has no field for goes along");
}
