// By keys: rules of a monitor, channels and what became of messages, incidents.
import assert from "node:assert/strict";
import { inspect, step } from "../inspect.mjs";
import { palette } from "./account.mjs";
import { arrives, choose, goBy, kept, openTab, pick, press, type, until } from "./hands.mjs";

const button = (within, name) => within.getByRole("button", { name, exact: true });

/** Adds a channel that nobody answers at, tests it, and switches it on. */
export async function channelByKeys(page, port) {
  const dialog = page.getByRole("dialog");
  await goBy(page, "Channels", "Notification channels");
  await press(page, button(page, "Add channel"));
  await type(page, dialog.getByLabel("Name"), "Keyed");
  await type(page, dialog.getByLabel("URL"), `http://127.0.0.1:${port}/hook`);
  await press(page, button(dialog, "Add channel"));
  await press(page, button(dialog, "Done"));
  await page.getByText("Keyed", { exact: true }).waitFor();
  await arrives(page, button(page, "Add channel"), "a made channel");
  const test = button(page, "Send a test to Keyed");
  await press(page, test);
  await page.getByText(/The test was not accepted/).waitFor();
  await arrives(page, test, "a test");
  await press(page, button(page, "Edit Keyed"));
  await type(page, dialog.getByLabel("Gather messages for"), "0");
  await press(page, button(dialog, "Save"));
  await dialog.waitFor({ state: "detached" });
  await arrives(page, button(page, "Edit Keyed"), "a changed channel");
  step("by keys alone: a channel is added, tested and changed");
}

/** A message that the channel did not take is looked at, given up, and sent again; the channel goes. */
export async function deliveriesByKeys(page, url) {
  const dialog = page.getByRole("dialog");
  const api = async (path) => (await page.request.get(`${url}/api/uptime/${path}`)).json();
  const channel = (await api("notification-channels")).channels.find((c) => c.name === "Keyed");
  const mine = async (state) => (await api(`deliveries?state=${state}&limit=50`)).deliveries.filter((d) => d.channel_id === channel.id);
  await until(async () => (await mine("pending")).some((d) => d.attempts > 0), "a message that was not taken");
  await goBy(page, "Channels", "Notification channels");
  await openTab(page, "Delivery log");
  const row = page.getByRole("listitem").filter({ hasText: "to Keyed" }).filter({ hasText: "the receiver refused the connection" }).last();
  await press(page, row.getByRole("button").first());
  await dialog.getByText("no answer").first().waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await arrives(page, row.getByRole("button").first(), "the attempts of a message");
  await openTab(page, "Channels");
  await press(page, button(page, "Switch off Keyed"));
  await button(page, "Switch on Keyed").waitFor();
  await kept(page, "a channel was switched off");
  await press(page, button(page, "Switch on Keyed"));
  await button(page, "Switch off Keyed").waitFor();
  assert.ok((await mine("dead")).length > 0, "nothing was given up");
  await openTab(page, "Given up");
  const again = page.getByRole("listitem").filter({ hasText: "to Keyed" }).getByRole("button", { name: /^Send again/ });
  await again.first().waitFor();
  await inspect(page, "messages that were given up");
  for (let left = await again.count(); left > 0; left--) {
    await press(page, again.first());
    await until(async () => (await again.count()) < left, "a message leaves the list when it is sent again");
  }
  await kept(page, "a message was sent again");
  assert.equal((await mine("dead")).length, 0);
  await openTab(page, "Channels");
  await press(page, button(page, "Delete Keyed"));
  await press(page, button(dialog, "Delete"));
  await page.getByText("Keyed", { exact: true }).waitFor({ state: "detached" });
  await kept(page, "a channel was deleted");
  step("by keys alone: the log, a message that was given up and sent again, and the channel is deleted");
}

/** A rule of a monitor with a backtest, with a window that there is not, changed and deleted. */
export async function rulesByKeys(page, url) {
  const dialog = page.getByRole("dialog");
  await palette(page, "keyboard", "Keyboard");
  await choose(page, button(page, "Actions for Keyboard"), "Alert rules");
  await page.getByRole("heading", { name: "Alert rules", level: 1 }).waitFor();
  await press(page, page.getByRole("checkbox", { name: "Nothing is known" }), "Space");
  await type(page, page.getByLabel("URL"), `${url}/hook`);
  await press(page, page.getByRole("button", { name: "See what it would have done" }));
  await page.getByText(/checks were replayed|no check in that time/).waitFor();
  await kept(page, "a backtest");
  const besides = page.getByLabel("As if there were", { exact: true });
  await pick(page, besides, "as if there were a window by cron");
  await type(page, page.getByRole("textbox", { name: "Cron" }), "61 * * * *");
  await press(page, page.getByRole("button", { name: "See what it would have done" }));
  await page.locator('input[name="window.cron"][aria-invalid=true]').waitFor();
  await inspect(page, "a rule with a window that there is not");
  await pick(page, besides, "as if there were a window every day");
  await type(page, page.getByRole("textbox", { name: "Lasts" }), "1 d");
  await page.keyboard.press("Enter");
  await page.getByText("in maintenance: nobody is told").waitFor();
  assert.equal((await (await page.request.get(`${url}/api/uptime/monitors/${new URL(page.url()).pathname.split("/")[2]}/alerts`)).json()).length, 0, "Enter in the window added the rule");
  await pick(page, besides, "with no other maintenance window");
  await press(page, button(page, "Add rule"));
  await page.getByText("shown only this once").waitFor();
  const row = page.getByRole("listitem").filter({ has: page.getByRole("button", { name: "Send a test" }) });
  await press(page, row.getByRole("button", { name: "Edit" }));
  await press(page, dialog.getByRole("checkbox", { name: "Nothing is known" }), "Space");
  await press(page, button(dialog, "Save"));
  await dialog.waitFor({ state: "detached" });
  await arrives(page, row.getByRole("button", { name: "Edit" }), "a changed rule");
  await press(page, row.getByRole("button", { name: "Delete" }));
  await page.getByText("No rules yet").waitFor();
  await kept(page, "a rule was deleted");
  step("by keys alone: a rule is replayed, also with a window that there is not, added, changed and deleted");
}

/** Of a monitor that is down: its incident is taken, opened, written about and resolved. */
export async function incidentByKeys(page) {
  const dialog = page.getByRole("dialog");
  await palette(page, "keyboard", "Keyboard");
  await press(page, button(page, "Acknowledge").first());
  await page.getByText("Acknowledged", { exact: true }).waitFor();
  await kept(page, "an incident was acknowledged");
  await press(page, page.getByRole("link", { name: /^Timeline and notes/ }).first());
  await page.getByRole("heading", { name: /^Incident of / }).waitFor();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await type(page, page.getByLabel("New note"), "By keys");
  await press(page, button(page, "Add note"));
  const note = page.getByRole("listitem").filter({ has: page.getByRole("button", { name: /^Edit the note/ }) });
  await note.getByText("By keys").waitFor();
  await kept(page, "a note was added");
  await press(page, note.getByRole("button", { name: /^Edit the note/ }));
  await type(page, page.getByLabel("Text of the note"), "By keys, changed");
  await press(page, button(page, "Save"));
  await page.getByText("By keys, changed").first().waitFor();
  await kept(page, "a note was changed");
  await press(page, note.getByRole("button", { name: /^Delete the note/ }));
  await press(page, button(dialog, "Delete"));
  await note.waitFor({ state: "detached" });
  await kept(page, "a note was deleted");
  await press(page, button(page, "Resolve…"));
  await type(page, dialog.getByLabel("Note (optional)"), "Closed by keys");
  await press(page, button(dialog, "Resolve"));
  await page.locator('[data-testid=incident-state][data-status="resolved"]').waitFor();
  await kept(page, "an incident was resolved");
  await press(page, page.getByRole("link", { name: "All incidents" }));
  await press(page, page.getByRole("checkbox", { name: "Also resolved ones" }), "Space");
  await page.getByText("Resolved", { exact: true }).first().waitFor();
  await press(page, page.getByRole("link", { name: "Keyboard", exact: true }).first());
  await page.getByRole("heading", { name: "Keyboard", level: 1 }).waitFor();
  step("by keys alone: an incident is acknowledged, read, written about and resolved");
}
