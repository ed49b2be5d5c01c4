// By keys: a monitor from its form to its end.
import assert from "node:assert/strict";
import { step } from "../inspect.mjs";
import { palette } from "./account.mjs";
import { arrives, choose, goBy, kept, press, radio, tabTo, type } from "./hands.mjs";

const button = (page, name) => page.getByRole("button", { name, exact: true });
const id = (page) => Number(new URL(page.url()).pathname.split("/")[2]);

/** Fills the form in from a curl command, and from a file that holds what is wrong at first. */
export async function imports(page) {
  const dialog = page.getByRole("dialog");
  await goBy(page, "Monitors", "Monitors");
  await press(page, page.getByRole("link", { name: "Add monitor" }).first());
  await press(page, button(page, "From a curl command"));
  await arrives(page, dialog.getByRole("textbox", { name: "Command" }), "the import of a command");
  await type(page, dialog.getByRole("textbox", { name: "Command" }), "curl -X POST https://keys.example/ -d now");
  await press(page, button(dialog, "Fill in"));
  await dialog.waitFor({ state: "detached" });
  await arrives(page, button(page, "From a curl command"), "the import of a command");
  assert.equal(await page.getByLabel("URL").inputValue(), "https://keys.example/");
  const file = (port) => `apiVersion: v1\nkind: TcpCheck\nmetadata: {name: from-keys}\nspec:\n  host: 127.0.0.1\n  port: ${port}\n  interval: 2s\n  checks: [{type: reachable, operator: is, value: true}]\n`;
  await press(page, button(page, "From YAML"));
  await type(page, dialog.getByRole("textbox", { name: "Resource" }), file(70_000));
  await press(page, button(dialog, "Fill in"));
  const wrong = dialog.getByRole("button", { name: /line 6/ });
  await press(page, wrong);
  await arrives(page, dialog.getByRole("textbox", { name: "Resource" }), "an error that was gone to");
  await type(page, dialog.getByRole("textbox", { name: "Resource" }), file(5432));
  await press(page, button(dialog, "Fill in"));
  await dialog.waitFor({ state: "detached" });
  await arrives(page, button(page, "From YAML"), "the import of a file");
  assert.equal(await page.getByLabel("Host").inputValue(), "127.0.0.1");
  step("by keys alone: a form is filled in from a command and from a file");
}

/** Tries a monitor out and adds it; it is down, and what it depends on is said. */
export async function monitorByKeys(page, url, port) {
  await page.goto(`${url}/uptime`);
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await press(page, page.getByRole("link", { name: "Skip to the content" }));
  await press(page, page.getByRole("link", { name: "Add monitor" }).first());
  await page.getByLabel("URL").waitFor();
  await radio(page, page.getByRole("radio", { name: /Port/ }));
  await type(page, page.getByLabel("Host"), "127.0.0.1");
  await type(page, page.getByLabel("Port", { exact: true }), String(port));
  await type(page, page.getByLabel("Name"), "Keys");
  await type(page, page.getByLabel("Check every … seconds"), "1");
  await press(page, page.getByRole("group", { name: "Depends on" }).getByRole("checkbox", { name: "Database" }), "Space");
  await press(page, button(page, "Try it now"));
  await page.getByText(/It did not work|connection refused/).first().waitFor();
  await arrives(page, button(page, "Try it now"), "a trial");
  await press(page, button(page, "Add monitor"));
  await page.getByRole("heading", { name: "Keys", level: 1 }).waitFor();
  await page.locator('[data-testid=state][data-status="down"]').waitFor();
  const made = await (await page.request.get(`${url}/api/uptime/monitors/${id(page)}`)).json();
  assert.equal(made.depends_on.length, 1);
  await press(page, page.getByRole("link", { name: "Edit", exact: true }));
  await type(page, page.getByLabel("Name"), "Keyboard");
  const on = page.getByRole("group", { name: "Depends on" }).getByRole("checkbox", { name: "Database" });
  assert.ok(await on.isChecked());
  await press(page, on, "Space");
  await press(page, button(page, "Save"));
  await page.getByRole("heading", { name: "Keyboard", level: 1 }).waitFor();
  assert.deepEqual((await (await page.request.get(`${url}/api/uptime/monitors/${id(page)}`)).json()).depends_on, []);
  const menu = button(page, "Actions for Keyboard");
  await choose(page, menu, "Pause");
  await page.locator('[data-testid=state][data-status="paused"]').waitFor();
  await arrives(page, menu, "paused");
  await choose(page, menu, "Resume");
  await page.locator('[data-testid=state][data-status="down"]').waitFor();
  await tabTo(page, page.getByRole("radio", { name: "24 h" }));
  await page.keyboard.press("ArrowRight");
  await arrives(page, page.getByRole("radio", { name: "7 d" }), "the next range");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => location.search === "?range=7d");
  await press(page, button(page, "Check now"));
  await page.waitForFunction(() => /^Keyboard: /.test(document.getElementById("announcer").textContent));
  await arrives(page, button(page, "Check now"), "a check");
  step("by keys alone: a monitor is tried, added with what it depends on, changed, paused, resumed and checked");
}

/** Deletes the monitor, which the palette finds. */
export async function deletesByKeys(page) {
  const dialog = page.getByRole("dialog");
  await palette(page, "keyboard", "Keyboard");
  await page.getByRole("heading", { name: "Keyboard", level: 1 }).waitFor();
  await choose(page, button(page, "Actions for Keyboard"), "Delete…");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await arrives(page, button(page, "Actions for Keyboard"), "a question that was not answered");
  await choose(page, button(page, "Actions for Keyboard"), "Delete…");
  await press(page, button(dialog, "Delete"));
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await page.getByRole("article", { name: "Keyboard" }).waitFor({ state: "detached" });
  await kept(page, "a monitor was deleted");
  step("by keys alone: found, and deleted");
}
