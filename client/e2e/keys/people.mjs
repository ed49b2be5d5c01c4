// By keys: who is in the organization, what lets programs in, who changed what.
import assert from "node:assert/strict";
import { inspect, step } from "../inspect.mjs";
import { arrives, goBy, kept, openTab, pick, press, radio, type } from "./hands.mjs";

const email = "keys@example.com";

async function renames(page, from, to) {
  const field = page.getByLabel("Name of the organization");
  await type(page, field, to);
  await press(page, page.getByRole("button", { name: "Rename" }));
  await page.getByRole("button", { name: `Organization: ${to}` }).waitFor();
  assert.equal(await page.getByRole("button", { name: `Organization: ${from}` }).count(), 0);
}

/** Renames the organization, and adds, changes and removes a member. */
export async function membersByKeys(page) {
  const dialog = page.getByRole("dialog");
  const row = page.getByRole("listitem", { name: email });
  await goBy(page, "Settings", "Settings");
  await openTab(page, "Members");
  await type(page, page.getByLabel("Name of the organization"), " ");
  await press(page, page.getByRole("button", { name: "Rename" }));
  await page.getByText("What is it called?").waitFor();
  await renames(page, "Pond", "Lake");
  await renames(page, "Lake", "Pond");
  await press(page, page.getByRole("button", { name: "Add member" }));
  await arrives(page, dialog.getByLabel("E-mail"), "a form");
  await type(page, dialog.getByLabel("E-mail"), email);
  await radio(page, dialog.getByRole("radio", { name: /^Editor/ }));
  await type(page, dialog.getByLabel("First password"), "a fourth long password");
  await press(page, dialog.getByRole("button", { name: "Add member" }));
  await row.getByText("Editor · since").waitFor();
  await arrives(page, page.getByRole("button", { name: "Add member" }), "a closed form");
  const change = page.getByRole("button", { name: `Change role of ${email}` });
  await press(page, change);
  await radio(page, dialog.getByRole("radio", { name: /^Viewer/ }));
  await press(page, dialog.getByRole("button", { name: "Save" }));
  await row.getByText("Viewer · since").waitFor();
  await arrives(page, change, "a changed role");
  await press(page, page.getByRole("button", { name: `Remove ${email}` }));
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await arrives(page, page.getByRole("button", { name: `Remove ${email}` }), "a question that was not answered");
  await press(page, page.getByRole("button", { name: `Remove ${email}` }));
  await press(page, dialog.getByRole("button", { name: "Remove" }));
  await row.waitFor({ state: "detached" });
  await kept(page, "a member was removed");
  step("by keys alone: the organization is renamed, a member added, changed and removed");
}

/** Makes and revokes an API key. */
export async function apiKeysByKeys(page) {
  await goBy(page, "Settings", "Settings");
  await openTab(page, "API keys");
  await type(page, page.getByLabel("Name", { exact: true }), "By keys");
  await pick(page, page.getByLabel("May"), "read and change");
  await press(page, page.getByRole("button", { name: "Make a key" }));
  await page.getByText("shown only this once").waitFor();
  await arrives(page, page.getByRole("button", { name: "Make a key" }), "a made key");
  const revoke = page.getByRole("button", { name: "Revoke By keys" });
  await press(page, revoke);
  await revoke.waitFor({ state: "detached" });
  await kept(page, "a key was revoked");
  step("by keys alone: an API key is made and revoked");
}

/** Filters the audit log, opens an entry, and reads on. */
export async function auditByKeys(page, url) {
  // More than one page of it.
  const made = await (await page.request.post(`${url}/api/uptime/monitors`, { data: { name: "Much changed", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: 9 }, interval_seconds: 60, enabled: false } })).json();
  for (let i = 0; i < 101; i += 10) await Promise.all(Array.from({ length: 10 }, (_, j) => page.request.patch(`${url}/api/uptime/monitors/${made.id}`, { data: { labels: { round: String(i + j) } } })));
  assert.equal((await page.request.delete(`${url}/api/uptime/monitors/${made.id}`)).status(), 204);

  await goBy(page, "Settings", "Settings");
  await openTab(page, "Audit");
  await page.getByText("The newest 100 entries; there are older ones.").waitFor();
  await pick(page, page.getByLabel("Of what"), "Monitor");
  await page.getByText(/of the newest 100 entries are like that; older ones were not looked through yet/).waitFor();
  await inspect(page, "the audit log with a filter");
  const more = page.getByRole("button", { name: "Look through 100 older ones" });
  await press(page, more);
  await page.getByText(/of the (newest 200|1\d\d|200) entries are like that/).waitFor();
  await kept(page, "older entries were read");
  const entry = page.locator("summary").filter({ hasText: "Monitor changed · Much changed" }).first();
  await press(page, entry);
  await page.getByRole("definition").filter({ hasText: "→" }).first().waitFor();
  await page.keyboard.press("Enter");
  await pick(page, page.getByLabel("Of what"), "Everything");
  step("by keys alone: the audit log is filtered, opened and read on");
}
