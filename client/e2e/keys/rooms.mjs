// By keys: groups, maintenance, regions and probers, notices.
import assert from "node:assert/strict";
import { inspect, quiet, step } from "../inspect.mjs";
import { palette } from "./account.mjs";
import { arrives, goBy, kept, pick, press, type } from "./hands.mjs";

const button = (within, name) => within.getByRole("button", { name, exact: true });

/** Adds, changes and deletes a group. */
export async function groupByKeys(page) {
  const dialog = page.getByRole("dialog");
  await goBy(page, "Groups", "Groups");
  await press(page, button(page, "Add group"));
  await type(page, dialog.getByLabel("Name"), "Keyed group");
  await press(page, dialog.getByRole("checkbox", { name: "Keyboard" }), "Space");
  await pick(page, dialog.getByLabel("Down when"), "So many members are down");
  await type(page, dialog.getByLabel("How many", { exact: true }), "1");
  await press(page, button(dialog, "Add group"));
  await page.getByText("1 of 1 down").waitFor();
  await arrives(page, button(page, "Add group"), "a made group");
  await press(page, button(page, "Edit Keyed group"));
  await pick(page, dialog.getByLabel("Channels are told of"), "The group only");
  await press(page, button(dialog, "Save"));
  await page.getByText("Down when 1 are; only the group is told of.").waitFor();
  await arrives(page, button(page, "Edit Keyed group"), "a changed group");
  await press(page, button(page, "Delete Keyed group"));
  await press(page, button(dialog, "Delete"));
  await page.getByText("Keyed group").first().waitFor({ state: "detached" });
  await kept(page, "a group was deleted");
  step("by keys alone: a group is added, changed and deleted");
}

/** Plans windows by cron and by a rule, ends one that is, and deletes one that is to come. */
export async function windowsByKeys(page) {
  const dialog = page.getByRole("dialog");
  const row = (name) => page.getByRole("listitem").filter({ hasText: name });
  await goBy(page, "Maintenance", "Maintenance windows");
  await press(page, button(page, "Add window"));
  await type(page, dialog.getByLabel("Name"), "By keys");
  await press(page, dialog.getByRole("checkbox", { name: "Keyboard" }), "Space");
  await press(page, button(dialog, "Add window"));
  await dialog.waitFor({ state: "detached" });
  await page.getByText("By keys", { exact: true }).first().waitFor();
  await arrives(page, button(page, "Add window"), "a made window");
  await press(page, row("By keys").getByRole("button", { name: /^End now/ }));
  await press(page, button(dialog, "End now"));
  await dialog.waitFor({ state: "detached" });
  await row("By keys").getByRole("button", { name: /^End now/ }).waitFor({ state: "detached" });
  await kept(page, "a window was ended");

  await press(page, button(page, "Add window"));
  await type(page, dialog.getByLabel("Name"), "Planned by keys");
  await pick(page, dialog.getByLabel("How often"), "By cron");
  await type(page, dialog.getByLabel("Cron"), "15 3 * * MON");
  await type(page, dialog.getByLabel("Time zone"), "Asia/Tokyo");
  await type(page, dialog.getByLabel("Lasts"), "45 min");
  await press(page, dialog.getByRole("checkbox", { name: "Keyboard" }), "Space");
  assert.equal(await dialog.getByTestId("next").getByRole("listitem").count(), 5);
  await press(page, button(dialog, "Add window"));
  await page.getByText("15 3 * * MON, 45 min each, Asia/Tokyo").waitFor();
  await press(page, button(page, "Edit Planned by keys"));
  await pick(page, dialog.getByLabel("How often"), "By a rule (RRULE)");
  await type(page, dialog.getByLabel("Rule", { exact: true }), "FREQ=WEEKLY;BYDAY=TU;BYHOUR=4;BYMINUTE=0");
  await press(page, button(dialog, "Save"));
  await page.getByText("FREQ=WEEKLY;BYDAY=TU;BYHOUR=4;BYMINUTE=0, 45 min each, Asia/Tokyo").waitFor();
  await arrives(page, button(page, "Edit Planned by keys"), "a changed window");
  await press(page, row("Planned by keys").getByRole("button", { name: /^Delete/ }));
  await press(page, button(dialog, "Delete"));
  await row("Planned by keys").waitFor({ state: "detached" });
  await kept(page, "a window was deleted");
  step("by keys alone: windows are planned by cron and by a rule, ended and deleted");
}

/** Makes a token for a prober, which is shown once; and reads what troubles there are. */
export async function regionsByKeys(page, url) {
  const dialog = page.getByRole("dialog");
  await goBy(page, "Regions", "Regions and probers");
  await page.getByRole("region", { name: "Check from another place too" }).or(page.getByRole("heading", { name: "Check from another place too" })).first().waitFor();
  await page.getByRole("region", { name: "local" }).or(page.getByRole("region", { name: /^Local/i })).first().getByText("Healthy").first().waitFor();
  await quiet(page);
  await inspect(page, "regions");
  await press(page, button(page, "Add prober"));
  await arrives(page, dialog.getByLabel("Region"), "the form of a prober");
  await press(page, button(dialog, "Make a token"));
  await dialog.getByText("In which region?").waitFor();
  await type(page, dialog.getByLabel("Region"), "eu west");
  await press(page, button(dialog, "Make a token"));
  await dialog.getByText("Letters, digits and . _ - between them").waitFor();
  await inspect(page, "the form of a prober");
  await type(page, dialog.getByLabel("Region"), "keys-west");
  await press(page, button(dialog, "Make a token"));
  await dialog.getByText("the token is shown only this once").waitFor();
  assert.match(await dialog.getByLabel("Command for its machine", { exact: true }).innerText(), new RegExp(`^frogup prober --join ${url} --token upt_join_\\S+ --region keys-west `));
  await inspect(page, "a prober's token");
  await press(page, button(dialog, "Copy Token alone"));
  await press(page, button(dialog, "Done"));
  await dialog.waitFor({ state: "detached" });
  await arrives(page, button(page, "Add prober"), "a made token");
  assert.ok(!(await page.content()).includes("upt_join_"), "the token is still in the page");
  step("by keys alone: a prober is let in");

  await palette(page, "notices", "Notices of this installation");
  await page.getByRole("heading", { name: "Notices", level: 1 }).waitFor();
  await page.getByText("No trouble").or(page.getByRole("heading", { name: "Now" })).first().waitFor();
  await inspect(page, "notices");
  assert.equal((await page.request.get(`${url}/api/uptime/notices`)).status(), 200);
  step("by keys alone: the notices");
}
