// What the page of a monitor draws and gives away: any stretch of time, how long answers took, files, and another monitor like it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect, step } from "./inspect.mjs";

/** Chooses an entry of the export menu and returns the file's name and text. */
async function exported(page, what, as) {
  await page.getByRole("button", { name: `Export ${what}` }).click();
  const file = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: as }).click();
  const got = await file;
  return { name: got.suggestedFilename(), text: readFileSync(await got.path(), "utf8") };
}

/** On the page of a monitor that is up and was checked some times. */
export async function figuresAreShown(page, name) {
  await page.getByRole("heading", { name, level: 1 }).waitFor();
  const classes = page.getByRole("img", { name: /response times from .*: half within .*, 95 % within .*, 99 % within / });
  await classes.waitFor();
  await page.getByText("As a table: How many took how long").click();
  const rows = page.getByRole("table", { name: "How many took how long" }).locator("tbody tr");
  await rows.first().waitFor();
  const counted = (await rows.locator("td:nth-of-type(2)").allInnerTexts()).reduce((sum, n) => sum + Number(n), 0);
  assert.ok(counted >= 2, `the histogram has ${counted} checks`);
  await inspect(page, "a histogram with its table");

  await page.getByRole("button", { name: "From … to …" }).click();
  const dialog = page.getByRole("dialog");
  const [from, to] = [dialog.getByLabel("From"), dialog.getByLabel("To")];
  const begin = await from.inputValue();
  await to.fill(begin);
  await dialog.getByRole("button", { name: "Show" }).click();
  await dialog.getByText("It must end after it begins").waitFor();
  await inspect(page, "the ends of a range");
  // Two days and four, on the clock of the page: before the monitor there was nothing.
  const day = (n) => new Date(Date.parse(`${begin}Z`) + n * 86_400_000).toISOString().slice(0, 16);
  await from.fill(day(-2));
  await to.fill(day(-1));
  await dialog.getByRole("button", { name: "Show" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("No response times in this range.").first().waitFor();
  assert.match(new URL(page.url()).search, /^\?from=.*&to=/);
  await page.reload();
  await page.getByText("No response times in this range.").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "From … to …" }).getAttribute("aria-pressed"), "true");
  await page.goBack();
  await classes.waitFor();
  assert.equal(new URL(page.url()).search, "");
  step("any stretch of time can be chosen, stands in the address, and is gone back from");

  const checks = await exported(page, "the checks that are shown", "As CSV");
  assert.match(checks.name, /^checks-of-monitor-\d+\.csv$/);
  assert.match(checks.text, /^\uFEFFevent_id,scheduled_at,.*\r\n/);
  assert.ok(checks.text.split("\r\n").length > 3);
  const json = JSON.parse((await exported(page, "the checks that are shown", "As JSON")).text);
  assert.equal(json[0].status, "success");
  step("what is seen is saved as CSV and as JSON");
}

/** The length of time in "at most 2 min after a failure begins". */
const delayOf = async (text) => /at most (.*?) after a failure begins/.exec(await text.innerText())[1];

/** On the page of a monitor that has the header X-Frog. */
export async function anotherLikeIt(page, url, name) {
  await page.getByRole("button", { name: `Actions for ${name}` }).click();
  await page.getByRole("menuitem", { name: "Duplicate…" }).click();
  await page.getByRole("heading", { name: `Duplicate ${name}`, level: 1 }).waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), `${name} (copy)`);
  const worst = page.getByText(/at most .* after a failure begins/);
  const before = await worst.innerText();
  await page.getByLabel("Check every … seconds").fill("600");
  await page.waitForFunction(([e, text]) => e.innerText !== text, [await worst.elementHandle(), before]);
  const foretold = await delayOf(worst);
  await inspect(page, "duplicate");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.getByRole("heading", { name: `${name} (copy)`, level: 1 }).waitFor();
  const id = Number(new URL(page.url()).pathname.split("/").at(-1));
  const made = await (await page.request.get(`${url}/api/uptime/monitors/${id}`)).json();
  assert.equal(made.http_config.headers["X-Frog"], "green");
  // The form foretold what the server computes.
  assert.equal(foretold, await delayOf(page.getByText(/an alert at most/)));
  await page.getByRole("button", { name: `Actions for ${name} (copy)` }).click();
  await page.getByRole("menuitem", { name: "Maintenance…" }).click();
  await page.getByRole("dialog").getByRole("checkbox", { name: `${name} (copy)` }).waitFor();
  assert.ok(await page.getByRole("dialog").getByRole("checkbox", { name: `${name} (copy)` }).isChecked());
  await page.keyboard.press("Escape");
  await page.request.delete(`${url}/api/uptime/monitors/${id}`);
  step("a monitor is duplicated, and put into a window, from its menu");
}
