// By keys: charts and results of a monitor, the list, and several monitors at once.
import assert from "node:assert/strict";
import { inspect, step } from "../inspect.mjs";
import { arrives, kept, pick, press, tabTo, take, type, until } from "./hands.mjs";

const button = (within, name) => within.getByRole("button", { name, exact: true });

const spoken = (page) => page.locator("#announcer").textContent();

/** On the page of a monitor that has answered for some minutes: its charts, their tables, and a result. */
export async function chartsByKeys(page, url, name) {
  const monitor = (await (await page.request.get(`${url}/api/uptime/monitors`)).json()).find((m) => m.name === name);
  await page.goto(`${url}/uptime/${monitor.id}?range=1h`);
  const chart = page.getByRole("group", { name: /^Response time by phase/ });
  // Between two of three points it can be zoomed.
  const points = async () => (await (await page.request.get(`${url}/api/uptime/monitors/${monitor.id}/stats?hours=1&bucket=minute`)).json()).distribution.filter((b) => b.avg_response_time !== null).length;
  await until(async () => (await points()) >= 3, "three minutes of which something is known");
  await page.reload();
  await tabTo(page, chart);
  assert.ok(await chart.evaluate((e) => getComputedStyle(e).outlineStyle !== "none"), "the focus on the chart cannot be seen");
  await page.keyboard.press("End");
  assert.match(await spoken(page), /: [\d.]+ m?s on average, 95 % within/);
  const last = await spoken(page);
  await page.keyboard.press("Home");
  assert.notEqual(await spoken(page), last);
  await page.keyboard.press("Enter");
  assert.match(await spoken(page), /A range begins here/);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  assert.match(await spoken(page), /^From .+ to .+/);
  await page.keyboard.press("Escape");
  assert.match(await spoken(page), /The whole range/);
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Enter");
  await press(page, button(page, "Look closer"));
  await until(() => /^\?from=.+&to=.+/.test(new URL(page.url()).search), "a range of its own");
  await page.getByRole("img", { name: /response times from/ }).waitFor();
  await page.goBack();
  await until(() => new URL(page.url()).search === "?range=1h", "the hour again");
  await press(page, button(page, "From … to …"));
  await press(page, button(page.getByRole("dialog"), "Show"));
  await until(() => /^\?from=.+&to=.+/.test(new URL(page.url()).search), "an hour by its ends");
  await page.goBack();
  const file = page.waitForEvent("download");
  await press(page, page.getByRole("button", { name: "Export the checks that are shown" }));
  await take(page, page.getByRole("menuitem", { name: "As CSV" }));
  assert.match((await file).suggestedFilename(), /^checks-of-monitor-\d+\.csv$/);
  await tabTo(page, chart);
  await page.keyboard.press("End");
  await page.keyboard.press("Shift+ArrowLeft");
  await page.keyboard.press("Escape");
  assert.match(await spoken(page), /No range any more/);
  for (const table of ["Response times", "Uptime"]) {
    await press(page, page.locator("summary").filter({ hasText: `As a table: ${table}` }));
    await page.getByRole("table", { name: table }).getByRole("row").nth(1).waitFor();
  }
  await inspect(page, "charts with their tables");
  const result = page.getByRole("table").last().getByRole("button").first();
  await press(page, result);
  await page.getByRole("dialog").getByText("Where the time went").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await arrives(page, result, "a drawer");
  await pick(page, page.getByLabel("Which checks"), "Not observed");
  await page.getByText("None", { exact: true }).or(page.getByText("Missed").first()).or(page.getByText("Not observed").nth(2)).first().waitFor();
  step("by keys alone: a chart is gone through, zoomed, looked at closer and read as a table, a file is saved, and a result opened");
}

/** Finds, filters, orders and divides the list; selects several, labels, pauses and deletes them. */
export async function listByKeys(page, url, port) {
  for (const n of [1, 2, 3]) await page.request.post(`${url}/api/uptime/monitors`, { data: { name: `Many ${n}`, interval_seconds: 60, monitor_type: n === 3 ? "http" : "tcp", ...(n === 3 ? { http_config: { url: `http://127.0.0.1:${port}/` } } : { tcp_config: { host: "127.0.0.1", port } }) } });
  const many = async () => (await (await page.request.get(`${url}/api/uptime/monitors`)).json()).filter((m) => m.name.startsWith("Many "));
  const dialog = page.getByRole("dialog");
  const card = (n) => page.getByRole("article", { name: `Many ${n}`, exact: true });
  await page.goto(`${url}/uptime`);
  await type(page, page.getByLabel("Filter by name or address"), "many");
  await card(3).waitFor();
  await pick(page, page.getByLabel("Kind", { exact: true }), "TCP");
  await card(3).waitFor({ state: "detached" });
  await pick(page, page.getByLabel("Kind", { exact: true }), "All kinds");
  await pick(page, page.getByLabel("Order", { exact: true }), "Newest");
  await page.waitForFunction(() => document.querySelector("ul[aria-label=Monitors] article")?.getAttribute("aria-label") === "Many 3");
  await pick(page, page.getByLabel("Divided by", { exact: true }), "By kind");
  await page.getByRole("heading", { name: "HTTP 1", level: 2 }).waitFor();
  await page.getByRole("heading", { name: "TCP 2", level: 2 }).waitFor();
  await inspect(page, "the list, divided");
  await pick(page, page.getByLabel("Divided by", { exact: true }), "One list");
  const down = page.getByRole("group", { name: "State" }).getByRole("button", { name: /^Down/ });
  await press(page, down);
  await page.waitForFunction(() => location.search.includes("status=down"));
  await press(page, down);
  step("by keys alone: the list is searched, filtered, ordered and divided");

  const bar = page.getByRole("region", { name: "With the selected monitors" });
  await press(page, button(page, "Select"));
  await bar.waitFor();
  await press(page, card(3).getByRole("checkbox"), "Space");
  await press(page, card(1).getByRole("checkbox"), "Shift+Space");
  await bar.getByText("3 monitors selected").waitFor();
  await inspect(page, "the list with some selected");
  await press(page, card(2).getByRole("checkbox"), "Space");
  await bar.getByText("2 monitors selected").waitFor();
  await page.keyboard.press("Escape");
  await page.waitForFunction((e) => e.contains(document.activeElement), await bar.elementHandle());
  await press(page, bar.getByRole("button", { name: "Select all 3" }));
  await press(page, button(bar, "Pause"));
  for (const n of [1, 2, 3]) await card(n).locator('[data-status="paused"]').waitFor();
  await kept(page, "several were paused");
  await press(page, button(bar, "Resume"));
  await card(2).locator('[data-status="paused"]').waitFor({ state: "detached" });
  await press(page, button(bar, "Labels…"));
  await press(page, dialog.getByRole("button", { name: "Change the labels" }));
  await dialog.getByText("Which label?").waitFor();
  await inspect(page, "labels of several");
  await type(page, dialog.getByLabel("Put on"), "team=keys");
  await press(page, dialog.getByRole("button", { name: "Change the labels" }));
  await dialog.waitFor({ state: "detached" });
  await page.waitForFunction(() => document.getElementById("announcer").textContent.startsWith("3 monitors labelled"));
  assert.deepEqual((await many()).map((m) => m.labels.team), ["keys", "keys", "keys"]);
  await kept(page, "several were labelled");
  await press(page, button(bar, "Delete…"));
  await press(page, button(dialog, "Delete"));
  await page.waitForFunction(() => document.getElementById("announcer").textContent.startsWith("3 monitors deleted"));
  assert.equal((await many()).length, 0);
  await kept(page, "several were deleted");
  await press(page, button(bar, "Done"));
  await bar.waitFor({ state: "detached" });
  await kept(page, "the selection is over");
  step("by keys alone: several are selected, paused, resumed, labelled and deleted");
}
