// Who may see and do what: members and their roles, organizations that see nothing of each other, viewers who change nothing.
import assert from "node:assert/strict";
import { inspect, quiet, step } from "./inspect.mjs";
import { press, take, type } from "./keys/hands.mjs";
import { freePort, openPage } from "./product.mjs";

const viewer = { email: "viewer@example.com", password: "another long password" };
const owner = { email: "owner@example.com", password: "a long enough password" };

async function openTab(page, name) {
  await page.getByRole("link", { name: "Settings", exact: true }).first().click();
  await page.getByRole("tab", { name }).click();
}

/** Members are added, given another role, and removed; what the server refuses stands at its field. */
export async function members(page) {
  const dialog = page.getByRole("dialog");
  const row = (email) => page.getByRole("listitem", { name: email });
  await openTab(page, "Members");
  await row(owner.email).getByText("The only owner: an organization needs one.").waitFor();
  assert.equal(await row(owner.email).getByRole("button").count(), 0, "the only owner can be changed");
  await page.getByRole("button", { name: "Add member" }).click();
  await dialog.getByRole("button", { name: "Add member" }).click();
  await dialog.getByText("Whom?").waitFor();
  await dialog.getByLabel("E-mail").fill("nobody");
  await dialog.getByRole("button", { name: "Add member" }).click();
  await dialog.locator("input[name=email][aria-invalid=true]").waitFor();
  await dialog.getByLabel("E-mail").fill(viewer.email);
  await dialog.getByRole("button", { name: "Add member" }).click();
  await dialog.getByText("is required, because there is no user with this e-mail yet").waitFor();
  await dialog.locator("input[name=password][aria-invalid=true]").waitFor();
  await inspect(page, "a member's form with something wrong");
  await dialog.getByLabel("First password").fill(viewer.password);
  await dialog.getByRole("radio", { name: /^Editor/ }).check();
  await dialog.getByRole("button", { name: "Add member" }).click();
  await row(viewer.email).getByText("Editor · since").waitFor();
  await page.getByRole("button", { name: "Add member" }).click();
  await dialog.getByLabel("E-mail").fill(viewer.email);
  await dialog.getByRole("button", { name: "Add member" }).click();
  await dialog.getByText("this user is a member already").waitFor();
  await dialog.getByLabel("E-mail").fill("gone@example.com");
  await dialog.getByLabel("First password").fill("a third long password");
  await dialog.getByRole("button", { name: "Add member" }).click();
  await row("gone@example.com").waitFor();
  await inspect(page, "members");
  await page.getByRole("button", { name: `Change role of ${viewer.email}` }).click();
  await inspect(page, "a member's role");
  await dialog.getByRole("radio", { name: /^Viewer/ }).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await row(viewer.email).getByText("Viewer · since").waitFor();
  await page.getByRole("button", { name: "Remove gone@example.com" }).click();
  await dialog.getByRole("button", { name: "Remove" }).click();
  await row("gone@example.com").waitFor({ state: "detached" });
  step("members are added, changed and removed; the only owner stays; what is wrong stands at its field");
}

/** The audit log tells of it, by kind and person; a session elsewhere is ended. */
export async function auditAndSessions(page, url) {
  await openTab(page, "Audit");
  await page.getByRole("combobox", { name: "Of what" }).selectOption({ label: "Member" });
  const changed = page.locator("summary").filter({ hasText: `Member changed · ${viewer.email}` });
  await changed.click();
  await page.getByRole("definition").filter({ hasText: "editor → viewer" }).waitFor();
  assert.equal(await page.locator("summary").filter({ hasText: "Signed in" }).count(), 0, "the filter lets others through");
  await page.getByRole("combobox", { name: "By whom" }).selectOption(owner.email);
  await changed.waitFor();
  await inspect(page, "audit");
  step("the audit log says who changed what, from what to what, and is filtered");

  const elsewhere = await page.context().browser().newContext();
  assert.equal((await elsewhere.request.post(`${url}/api/auth/login`, { data: owner })).status(), 200);
  await openTab(page, "Account");
  const ways = page.getByRole("button", { name: /^Sign out .+/ });
  await ways.waitFor();
  await inspect(page, "account");
  await ways.click();
  await ways.waitFor({ state: "detached" });
  assert.equal((await elsewhere.request.get(`${url}/api/auth/session`)).status(), 401, "the session that was ended goes on");
  await elsewhere.close();
  step("a session elsewhere is ended");
}

/** Notes whenever something of one organization stands in the page while the header names the other. */
async function watchForMixing(page) {
  await page.evaluate(() => {
    const names = { Pond: "Database", Marsh: "Heron" };
    globalThis.mixing = { seen: {}, mixed: [] };
    const look = () => {
      const at = document.querySelector('header [aria-label^="Organization: "]')?.getAttribute("aria-label").slice("Organization: ".length);
      const text = document.getElementById("main")?.textContent ?? "";
      for (const [organization, name] of Object.entries(names)) {
        if (!text.includes(name)) continue;
        if (organization === at) globalThis.mixing.seen[at] = true;
        else globalThis.mixing.mixed.push(`${name} in ${at}`);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  });
}

/** A second organization is made; neither sees anything of the other, not for a moment. */
export async function organizations(page, url, db) {
  const card = (p, name) => p.getByRole("article", { name, exact: true });
  const dialog = page.getByRole("dialog");
  await press(page, page.getByRole("button", { name: "Organization: Pond" }));
  await page.getByRole("menuitemradio", { name: /Pond/ }).waitFor();
  await inspect(page, "the menu of organizations");
  const make = dialog.getByRole("button", { name: "Make it" });
  await take(page, page.getByRole("menuitem", { name: "New organization…" }));
  await press(page, make);
  await dialog.getByText("What is it called?").waitFor();
  await type(page, dialog.getByLabel("Name"), "x".repeat(101));
  await press(page, make);
  await dialog.locator("input[name=name][aria-invalid=true]").waitFor();
  await inspect(page, "a new organization's form");
  await type(page, dialog.getByLabel("Name"), "Marsh");
  await press(page, make);
  await page.getByRole("button", { name: "Organization: Marsh" }).waitFor();
  await page.getByText("There are no monitors yet").waitFor();
  step("by keys alone: an organization is made, and nothing is in it");

  await page.getByRole("link", { name: "Add monitor" }).first().click();
  await page.getByRole("radio", { name: /Port/ }).check();
  await page.getByLabel("Host").fill("127.0.0.1");
  await page.getByLabel("Port", { exact: true }).fill(String(db.port));
  await page.getByLabel("Name").fill("Heron");
  await page.getByLabel("Check every … seconds").fill("1");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  await watchForMixing(page);
  await page.getByRole("button", { name: "Organization: Marsh" }).focus();
  await page.keyboard.press("Enter");
  const pond = page.getByRole("menuitemradio", { name: /Pond/ });
  await pond.waitFor();
  for (let i = 0; i < 5 && !(await pond.evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await card(page, "Database").waitFor();
  assert.equal(await card(page, "Heron").count(), 0);
  assert.equal(new URL(page.url()).pathname, "/uptime");
  step("from a monitor of one into the list of the other, by the keyboard alone");

  const other = await page.context().newPage();
  await other.goto(`${url}/uptime`);
  await card(other, "Database").waitFor();
  const id = (await (await page.request.get(`${url}/api/uptime/monitors`)).json()).find((m) => m.name === "Database").id;
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "A monitor, a page, something to do" }).fill("switch to");
  await page.getByRole("option", { name: /Switch to Marsh/ }).waitFor();
  await page.keyboard.press("Enter");
  await card(page, "Heron").waitFor();
  assert.equal(await card(page, "Database").count(), 0);
  await card(other, "Heron").waitFor();
  assert.equal(await card(other, "Database").count(), 0);
  step("switched by Ctrl-K; another tab of the same session follows");

  await other.goto(`${url}/uptime/${id}`);
  await other.getByText("There is no such monitor.").waitFor();
  await other.close();
  for (const [word, text] of [["Channels", "Nobody is told yet"], ["Maintenance", "No windows"], ["Incidents", "No incident is open"]]) {
    await page.getByRole("link", { name: word, exact: true }).first().click();
    await page.getByText(text).waitFor();
  }
  await openTab(page, "Members");
  await page.getByRole("listitem", { name: owner.email }).waitFor();
  assert.equal(await page.getByRole("listitem", { name: viewer.email }).count(), 0, "members of the other organization are seen");
  await page.getByRole("button", { name: "Organization: Marsh" }).click();
  await page.getByRole("menuitemradio", { name: /Pond/ }).click();
  await card(page, "Database").waitFor();
  await page.getByRole("button", { name: "Organization: Pond" }).click();
  await page.getByRole("menuitemradio", { name: /Marsh/ }).click();
  await card(page, "Heron").waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.mixing), { seen: { Pond: true, Marsh: true }, mixed: [] });
  step("neither sees monitors, channels, windows, incidents or members of the other, and nothing of it was shown for a moment");

  await openTab(page, "Members");
  await page.getByRole("button", { name: "Add member" }).click();
  await dialog.getByLabel("E-mail").fill("gone@example.com");
  await dialog.getByRole("radio", { name: /^Owner/ }).check();
  await dialog.getByRole("button", { name: "Add member" }).click();
  await page.getByRole("listitem", { name: "gone@example.com" }).getByText("Owner · since").waitFor();
  await page.getByRole("button", { name: "Leave" }).click();
  await dialog.getByRole("button", { name: "Leave" }).click();
  await page.getByRole("button", { name: "Organization: Pond" }).click();
  await page.getByRole("menuitemradio", { name: /Pond/ }).waitFor();
  assert.equal(await page.getByRole("menuitemradio", { name: /Marsh/ }).count(), 0);
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Monitors", exact: true }).first().click();
  await card(page, "Database").waitFor();
  step("who has an account is added by the address alone; with a second owner the first may leave, and is in the other organization then");
}

// What somebody who may only read may use, by page: ways, filters, what opens something to read, and what is one's own.
const everywhere = [/^a Skip to the content$/, /^a Frogstats Uptime$/, /^a (Monitors|Groups|Incidents|Maintenance|Channels|Regions|Settings)$/, /^button Go to or do…/, /^button Organization: Pond$/, /^button Account and appearance$/];
const settingsTabs = /^tab (Account|Members)$/;
const explained = [/^a All monitors$/, /^a give you another role$/];
const opensDelivery = /^button (digest|(monitor|alert|channel|incident|group)\.\w+)$/;
const account = [settingsTabs, /^select Light or dark$/, /^form Change it$/, /^input (Time zone|Password so far|New password)$/, /^button Change it$/, /^button Sign out .+$/];
const exports = /^button Export the (monitors|checks|incidents) that are shown$/;
const pages = (id) => [
  ["/uptime", "Monitors", [/^a (Gone|Database)$/, /^input Filter by name or address$/, /^select (Kind|Label|Order|Divided by|Uptime of)$/, exports, /^button (Up|Down|Unknown|Degraded|Maintenance) \d+$/], true],
  [`/uptime/${id}`, "Gone", [/^a (All monitors|Alert rules)$/, /^a Timeline and notes of incident \d+$/, /^button (As YAML|Badge)$/, /^radio (1 h|24 h|7 d|30 d|90 d|1 y)$/, /^select Which checks$/, /^button From … to …$/, exports, /^summary As a table ?: (Response times|How many took how long|Uptime)$/, /^button \d\d:\d\d:\d\d$/, /^button Older$/], true],
  [`/uptime/${id}/alerts`, "Alert rules", [/^a Gone$/], true],
  ["/uptime/create", /does not let you add monitors/, explained],
  [`/uptime/${id}/edit`, /does not let you change monitors/, explained],
  ["/uptime/incidents", "Incidents", [/^a Gone$/, /^a Timeline and notes of incident \d+$/, /^input Also resolved ones$/, exports], true],
  ["/uptime/groups", "Groups", [/^a (Gone|Database)$/], true],
  ["/uptime/maintenance", "Maintenance windows", [], true],
  ["/uptime/regions", "Regions and probers", [], true],
  ["/uptime/notices", /does not let you read the notices/, explained],
  ["/uptime/notifications", "Notification channels", [/^tab (Channels|Delivery log|Given up)$/], true],
  ["/uptime/notifications?tab=deliveries", "Notification channels", [/^tab (Channels|Delivery log|Given up)$/, opensDelivery, /^button Older$/]],
  ["/uptime/notifications?tab=dead", "Notification channels", [/^tab (Channels|Delivery log|Given up)$/, opensDelivery, /^button Older$/]],
  ["/uptime/settings", "Settings", account],
  ["/uptime/settings?tab=members", "Settings", [settingsTabs], true],
  ["/uptime/settings?tab=keys", "Settings", account, true],
  ["/uptime/settings?tab=probers", "Regions and probers", []],
  ["/uptime/settings?tab=audit", "Settings", account, true],
];

/** All that can be used in the page, as its role and its name. */
function controls(page, within = "body") {
  return page.evaluate((root) => {
    const all = document.querySelector(root).querySelectorAll("a[href], button, input, select, textarea, form, summary, [role=button], [role=menuitem], [role=menuitemradio], [role=option], [role=switch], [role=checkbox], [contenteditable=true]");
    const usable = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && !e.closest("[inert]");
    const words = (e) => (e.tagName === "FORM" ? [...e.querySelectorAll("button")].map((b) => b.innerText).join(" ") : e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText || e.getAttribute("placeholder") || "").replace(/\s+/g, " ").trim();
    return [...all].filter(usable).map((e) => `${e.getAttribute("role") ?? e.tagName.toLowerCase()} ${words(e)}`);
  }, within);
}

const strays = (found, allowed) => found.filter((c) => ![...everywhere, ...allowed].some((pattern) => pattern.test(c)));

async function goTo(page, url, [path, title]) {
  await page.goto(url + path);
  if (typeof title === "string") await page.getByRole("heading", { name: title, level: 1 }).waitFor();
  else await page.getByText(title).waitFor();
  await quiet(page);
}

/** A viewer walks through all pages and finds nothing that would change something of the organization. */
export async function viewerOnlyReads(page, url) {
  const post = async (path, data) => (await page.request.post(url + path, { data })).json();
  const gone = await post("/api/uptime/monitors", { name: "Gone", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: await freePort() }, interval_seconds: 1, confirm_down: 1 });
  await post(`/api/uptime/monitors/${gone.id}/alerts`, { alert_type: "webhook", alert_config: { url: `${url}/hook` }, conditions: { consecutive_failures: 3 } });
  await page.getByRole("link", { name: "Incidents", exact: true }).first().click();
  await page.getByRole("button", { name: "Acknowledge" }).waitFor();

  const { page: reader, troubles } = await openPage(await page.context().browser().newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", locale: "en-GB" }), url);
  await reader.goto(`${url}/uptime`);
  await reader.getByLabel("E-mail").fill(viewer.email);
  await reader.getByLabel("Password").fill(viewer.password);
  await reader.getByRole("button", { name: "Sign in" }).click();
  await reader.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  for (const each of pages(gone.id)) {
    const [path, , allowed, ownerWrites] = each;
    await goTo(reader, url, each);
    assert.deepEqual(strays(await controls(reader), allowed), [], `a viewer can use this at ${path}`);
    if (path.endsWith("/create")) await inspect(reader, "what a viewer reads in the place of the form");
    if (!ownerWrites) continue;
    // What writes is there for the owner, or the walk would find nothing for want of anything.
    await goTo(page, url, each);
    assert.notDeepEqual(strays(await controls(page), allowed), [], `the owner has nothing that writes at ${path}`);
  }
  await goTo(reader, url, ["/uptime", "Monitors"]);
  await reader.getByRole("button", { name: "Account and appearance" }).click();
  assert.deepEqual((await controls(reader, "[role=menu]")).filter((c) => !/^(menuitemradio (As the system|Light|Dark)|menuitem (REST interface|Sign out))$/.test(c)), []);
  await reader.keyboard.press("Escape");
  await reader.getByRole("button", { name: "Organization: Pond" }).click();
  assert.deepEqual((await controls(reader, "[role=menu]")).filter((c) => !/^(menuitemradio Pond viewer|menuitem (Members|New organization…))$/.test(c)), []);
  await reader.keyboard.press("Escape");
  await reader.keyboard.press("Control+k");
  await reader.getByRole("option", { name: "Settings" }).waitFor();
  assert.deepEqual((await controls(reader, "[role=listbox]")).filter((c) => /add|new|edit|delete|pause/i.test(c)), []);
  await reader.keyboard.press("Escape");
  assert.equal((await reader.request.delete(`${url}/api/uptime/monitors/${gone.id}`)).status(), 403);
  assert.deepEqual(troubles.filter((t) => !/status of 401/.test(t)), [], "something was asked for that a viewer may not read");
  step("a viewer finds nothing that writes on any page, in any menu, and is told why where a form would be");

  const { user } = (await (await page.request.get(`${url}/api/organizations/members`)).json()).find((m) => m.user.email === viewer.email);
  assert.equal((await page.request.delete(`${url}/api/organizations/members/${user.id}`)).status(), 204);
  await reader.reload();
  await reader.getByText("You are in no organization").waitFor();
  await inspect(reader, "a member of nothing");
  await reader.context().close();
  assert.equal((await page.request.delete(`${url}/api/uptime/monitors/${gone.id}`)).status(), 204);
  await goTo(page, url, ["/uptime", "Monitors"]);
  step("who was removed is told that they are in no organization");
}
