// What people do, done without a pointer.
import assert from "node:assert/strict";
import { step } from "./inspect.mjs";

/** Goes on with Tab until an element has the focus, and fails if it never does. */
async function tabTo(page, locator, most = 150) {
  await locator.waitFor();
  for (let i = 0; i < most; i++) {
    if (await locator.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab never comes to ${locator}`);
}

async function press(page, locator, key = "Enter") {
  await tabTo(page, locator);
  // Who goes by keyboard must see where they are.
  const outline = await locator.evaluate((e) => { const around = e.closest("label") ?? e; return [e, around].some((x) => { const s = getComputedStyle(x); return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none"; }); });
  assert.ok(outline, `the focus on ${locator} cannot be seen`);
  await page.keyboard.press(key);
}

async function type(page, locator, text) {
  await tabTo(page, locator);
  await page.keyboard.press("Control+a");
  await page.keyboard.type(text);
}

/** Opens the menu of a button and takes an entry by the arrows. */
async function choose(page, button, entry) {
  await press(page, button);
  const item = page.getByRole("menuitem", { name: entry });
  await item.waitFor();
  for (let i = 0; i < 20 && !(await item.evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
}

/** Adds, changes, pauses, puts into maintenance and deletes a monitor, tells a channel, acknowledges and resolves, all by keys. */
export async function byKeyboardAlone(page, url, gonePort) {
  const button = (name, within = page) => within.getByRole("button", { name, exact: true });
  const dialog = page.getByRole("dialog");
  await page.goto(`${url}/uptime`);
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await press(page, page.getByRole("link", { name: "Skip to the content" }));
  await press(page, page.getByRole("link", { name: "Add monitor" }).first());
  await tabTo(page, page.getByRole("radio", { name: /Web address/ }));
  await page.keyboard.press("ArrowDown");
  await type(page, page.getByLabel("Host"), "127.0.0.1");
  await type(page, page.getByLabel("Port", { exact: true }), String(gonePort));
  await type(page, page.getByLabel("Name"), "Keys");
  await type(page, page.getByLabel("Check every … seconds"), "1");
  await press(page, button("Try it now"));
  await page.getByText(/It did not work|connection refused/).first().waitFor();
  await press(page, button("Add monitor"));
  await page.getByRole("heading", { name: "Keys", level: 1 }).waitFor();
  await page.locator('[data-testid=state][data-status="down"]').waitFor();
  step("by keys alone: a monitor is tried and added");

  await press(page, button("Acknowledge").first());
  await page.getByText("Acknowledged", { exact: true }).waitFor();
  await press(page, page.getByRole("link", { name: "Edit", exact: true }));
  await type(page, page.getByLabel("Name"), "Keyboard");
  await press(page, button("Save"));
  await page.getByRole("heading", { name: "Keyboard", level: 1 }).waitFor();
  await choose(page, button("Actions for Keyboard"), "Pause");
  await page.locator('[data-testid=state][data-status="paused"]').waitFor();
  await choose(page, button("Actions for Keyboard"), "Resume");
  await page.locator('[data-testid=state][data-status="down"]').waitFor();
  await tabTo(page, page.getByRole("radio", { name: "24 h" }));
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((e) => e === document.activeElement, await page.getByRole("radio", { name: "7 d" }).elementHandle());
  await page.keyboard.press("Space");
  await page.waitForFunction(() => location.search === "?range=7d");
  step("by keys alone: acknowledged, changed, paused, resumed, and another range");

  await press(page, page.getByRole("link", { name: "Maintenance", exact: true }).first());
  await press(page, button("Add window"));
  await type(page, dialog.getByLabel("Name"), "By keys");
  await press(page, dialog.getByRole("checkbox", { name: "Keyboard" }), "Space");
  await press(page, button("Add window", dialog));
  await dialog.waitFor({ state: "detached" });
  await page.getByText("By keys", { exact: true }).waitFor();
  await press(page, button("End now", page.getByRole("listitem").filter({ hasText: "By keys" })));
  await press(page, button("End now", dialog));
  await dialog.waitFor({ state: "detached" });
  step("by keys alone: a window is added and ended");

  await press(page, page.getByRole("link", { name: "Channels", exact: true }).first());
  await press(page, button("Add channel"));
  await type(page, dialog.getByLabel("Name"), "Keyed");
  await type(page, dialog.getByLabel("URL"), `${url}/nowhere`);
  await press(page, button("Add channel", dialog));
  await press(page, button("Done", dialog));
  await page.getByText("Keyed", { exact: true }).waitFor();
  step("by keys alone: a channel is added");

  await page.keyboard.press("Control+k");
  const palette = page.getByRole("combobox", { name: "A monitor, a page, something to do" });
  await palette.waitFor();
  await page.waitForFunction((e) => e === document.activeElement, await palette.elementHandle());
  await page.keyboard.type("keyboard");
  await page.getByRole("option", { name: /Keyboard/ }).first().waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Keyboard", level: 1 }).waitFor();
  await choose(page, button("Actions for Keyboard"), "Delete…");
  await press(page, button("Delete", dialog));
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await page.getByRole("article", { name: "Keyboard" }).waitFor({ state: "detached" });
  const channel = (await (await page.request.get(`${url}/api/uptime/notification-channels`)).json()).channels.find((c) => c.name === "Keyed");
  await page.request.delete(`${url}/api/uptime/notification-channels/${channel.id}`);
  step("by keys alone: found, and deleted");
}
