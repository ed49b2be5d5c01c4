// The product in a browser, from its first start to an outage and its end: what people see is what is so.
import assert from "node:assert/strict";
import path from "node:path";
import { auditAndSessions, members, organizations, viewerOnlyReads } from "./access.mjs";
import { badgeIsShown } from "./badges.mjs";
import { anotherLikeIt, figuresAreShown } from "./figures.mjs";
import { everyFieldSaysWhatIsWrong } from "./fields.mjs";
import { policyIsStrict, textStaysText } from "./hostile.mjs";
import { inspect, quiet, step } from "./inspect.mjs";
import { byKeyboardAlone } from "./keyboard.mjs";
import { goesOutAndIn, setsUp } from "./keys/account.mjs";
import { yamlFillsIn } from "./resources.mjs";
import { browserPath, buildProduct, freePort, httpTarget, openBrowser, out, receiver, startProduct, tcpTarget } from "./product.mjs";

if (!browserPath) {
  console.log("There is no Chromium: the scenario is skipped.");
  process.exit(process.env.FROGUP_TEST_REQUIRE === "1" ? 1 : 0);
}
const product = await startProduct(process.env.FROGUP_BINARY ?? buildProduct());
const [web, db, onCall] = [await httpTarget(), await tcpTarget(), await receiver()];
const { browser, page, troubles } = await openBrowser(product.url);
/** Asks the API what it has, as the one who is signed in. */
const read = (path) => page.evaluate(async (p) => (await fetch(p)).json(), path);
const badge = (name, status) => page.getByRole("article", { name, exact: true }).locator(`[data-status="${status}"]`);
try {
  await setsUp(page, product.link);
  step("by keys alone: the owner is made by the one-time link");
  assert.equal(new URL(page.url()).search, "", "the token stays in the address");
  await page.getByText("There are no monitors yet").waitFor();

  await page.getByRole("link", { name: "Add monitor" }).first().click();
  await page.getByLabel("URL").waitFor();
  await inspect(page, "create");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.getByText("Which address?").waitFor();
  await page.getByLabel("URL").fill("ftp://nowhere");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.locator("input[name=url][aria-invalid=true]").waitFor();
  assert.ok(await page.locator("input[name=url]").evaluate((i) => document.getElementById(i.getAttribute("aria-describedby").split(" ").at(-1))?.textContent.length > 3), "the server's words are not at the field");
  step("what is wrong stands at its field, also when the server says it");

  await page.getByRole("button", { name: "From a curl command" }).click();
  await page.getByRole("textbox", { name: "Command" }).fill("wget nothing");
  await page.getByRole("button", { name: "Fill in" }).click();
  await page.getByRole("dialog").getByText("That is no curl command").waitFor();
  await inspect(page, "the import of a command");
  await page.getByRole("textbox", { name: "Command" }).fill(`curl -k '${web.url}' -H 'X-Frog: green'`);
  await page.getByRole("button", { name: "Fill in" }).click();
  await page.getByRole("status").filter({ hasText: /except for what a check does not have:.*--insecure/s }).waitFor();
  assert.equal(await page.getByLabel("URL").inputValue(), web.url);
  assert.equal(await page.getByRole("textbox", { name: "Headers" }).inputValue(), "X-Frog: green");
  step("a curl command fills in the form");

  await page.getByLabel("Name").fill("Web");
  await page.getByLabel("Check every … seconds").fill("1");
  await page.getByRole("button", { name: "Try it now" }).click();
  await page.getByText(/It worked in/).waitFor();
  await page.getByText("In all").waitFor();
  step("a configuration is tried before it is saved");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.getByRole("heading", { name: "Web", level: 1 }).waitFor();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  step("an HTTP monitor is up");

  await page.goto(`${product.url}/uptime/create`);
  await page.getByRole("radio", { name: /Port/ }).check();
  await page.getByLabel("Host").fill("127.0.0.1");
  await page.getByLabel("Port", { exact: true }).fill(String(db.port));
  await page.getByLabel("Name").fill("Database");
  await page.getByLabel("Check every … seconds").fill("1");
  await page.getByRole("button", { name: "Add monitor" }).click();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  await page.getByRole("link", { name: "All monitors" }).click();
  await badge("Web", "up").waitFor();
  await badge("Database", "up").waitFor();
  await page.getByRole("heading", { name: "All is well" }).waitFor();
  step("a TCP monitor is up, and all is well");
  await inspect(page, "dashboard");

  await page.getByRole("link", { name: "Channels", exact: true }).first().click();
  await page.getByRole("button", { name: "Add channel" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("On call");
  await page.getByRole("dialog").getByLabel("URL").fill(onCall.url);
  await page.getByRole("dialog").getByRole("button", { name: "Add channel" }).click();
  await page.getByRole("dialog").getByText("shown only this once").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  await page.getByText("On call", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Monitors", exact: true }).first().click();
  await badge("Web", "up").waitFor();
  step("a channel is added");

  // From here on nothing is loaded anew: what changes comes over the stream.
  let lists = 0;
  page.on("request", (r) => { if (/\/api\/uptime\/monitors\?/.test(r.url()) && !r.url().includes("status=")) lists++; });
  await web.stop();
  await badge("Web", "down").waitFor();
  const trouble = page.getByRole("region", { name: "1 monitor is down" });
  await trouble.getByText("connection refused").waitFor();
  assert.match(await trouble.innerText(), /Web[\s\S]*since \d\d:\d\d:\d\d/);
  assert.match(await page.title(), /^\(1 down\)/);
  step("its target stopped: it is down, with cause and since when");
  const down = await onCall.get((m) => m.type === "monitor.down" && m.data.monitor.name === "Web", "that Web is down");
  // Two failures in a row make it down, the second a second after the first: no check more.
  assert.equal(down.data.incident.failure_count, 2, "it was not down with the confirming check");
  assert.equal(down.data.error_type, "connection_refused");
  const [first, second] = (await read(`/api/uptime/monitors/${down.data.monitor.id}/events?status=failure&limit=50`)).events.reverse();
  assert.equal(Date.parse(down.data.incident.start_time), Date.parse(first.scheduled_at));
  assert.ok(Date.parse(second.scheduled_at) - Date.parse(first.scheduled_at) <= 1500, "the confirming check was late");
  step("down with the confirming check, and the channel was told why");
  assert.ok(lists <= 1, `the list was read ${lists} times for one change`);
  await inspect(page, "dashboard with an outage");

  await trouble.getByRole("link", { name: "Web" }).click();
  await page.locator('[data-testid=state][data-status="down"]').waitFor();
  await page.getByText("Active", { exact: true }).waitFor();
  await page.getByText("Failure").first().waitFor();
  await inspect(page, "detail");
  await page.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByText("Acknowledged", { exact: true }).waitFor();
  await page.getByRole("table").getByRole("button").first().click();
  await page.getByRole("dialog").getByText("Where the time went").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  step("its incident is acknowledged; a check opens in a drawer");

  const { incidents } = await read("/api/uptime/incidents");
  const beside = await page.context().newPage();
  await beside.goto(`${product.url}/uptime/incidents/${incidents[0].id}`);
  await beside.getByRole("heading", { name: "The port is closed" }).waitFor();
  await beside.getByText("The host answers, but").waitFor();
  await beside.getByRole("table", { name: "What was tried at once" }).getByText("Failed", { exact: true }).waitFor();
  await inspect(beside, "incident with evidence");
  await beside.close();
  step("its incident says why: the port is closed");

  await web.start();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  await page.getByText("Resolved", { exact: true }).waitFor();
  await onCall.get((m) => m.type === "monitor.recovered" && m.data.incident.id === down.data.incident.id, "that Web is back");
  step("its target is back: up again, the incident resolved, and the channel was told");

  await page.getByRole("button", { name: "Actions for Web" }).click();
  await page.getByRole("menuitem", { name: "Pause" }).click();
  await page.locator('[data-testid=state][data-status="paused"]').waitFor();
  await page.getByRole("button", { name: "Actions for Web" }).click();
  await page.getByRole("menuitem", { name: "Resume" }).click();
  await page.locator('[data-testid=state][data-status="up"]').waitFor();
  step("paused and resumed");

  await page.getByRole("button", { name: "Actions for Web" }).click();
  await page.getByRole("menuitem", { name: "As YAML" }).click();
  await page.getByLabel("YAML", { exact: true }).getByText("X-Frog: green").waitFor();
  await inspect(page, "a monitor as YAML");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  step("its configuration is shown as YAML");
  await badgeIsShown(page, product.url, "Web");
  await figuresAreShown(page, "Web");
  await anotherLikeIt(page, product.url, "Web");
  await page.goto(`${product.url}/uptime`);
  await page.getByRole("link", { name: "Web", exact: true }).first().click();

  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("URL").waitFor();
  await inspect(page, "edit");
  await page.getByLabel("Name").fill("Web shop");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  step("changed, and still so when the page is loaded anew at its own address");

  await page.getByRole("button", { name: "Actions for Web shop" }).click();
  await page.getByRole("menuitem", { name: "Alert rules" }).click();
  await page.getByRole("checkbox", { name: /Many answers are slow/ }).check();
  await page.getByRole("checkbox", { name: "Checks fail in a row" }).uncheck();
  await page.getByLabel("Percentile", { exact: true }).fill("101");
  await page.getByLabel("URL").fill("nowhere");
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.locator("input[name=percentile][aria-invalid=true]").waitFor();
  await page.getByLabel("Percentile", { exact: true }).fill("95");
  await page.getByLabel("Above … ms").fill("1");
  await page.getByLabel("Of the last").fill("1 min");
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.locator('input[name="config.url"][aria-invalid=true]').waitFor();
  assert.match(await page.getByTestId("worst").innerText(), /^Triggers at most 14 s after all answers become slow\.$/);
  // A percentile needs ten successes since the monitor was resumed.
  for (let i = 0; i < 60 && !(await page.getByText(/It would have triggered (once|\d+ times)/).isVisible()); i++) {
    await page.waitForTimeout(1000);
    await page.getByRole("button", { name: "See what it would have done" }).click();
    await page.getByText(/checks were replayed/).waitFor();
  }
  await page.getByText(/It would have triggered (once|\d+ times)/).waitFor({ timeout: 5000 });
  await page.getByRole("img", { name: /Proposed: 95th percentile of 1 min above 1 ms: triggered (once|\d+ times)/ }).waitFor();
  await inspect(page, "alert rules with a backtest");
  await page.getByLabel("URL").fill(web.url);
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.getByText("shown only this once").waitFor();
  await page.getByText("95th percentile of 1 min above 1 ms", { exact: true }).first().waitFor();
  step("a rule about a percentile: what is wrong stands at its field, its delay and its past are shown, it is added");
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByRole("dialog").getByRole("checkbox", { name: "Nothing is known" }).check();
  await inspect(page, "a rule's form");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("nothing known for 10 min, or 95th percentile of 1 min above 1 ms", { exact: false }).first().waitFor();
  const [rule] = await read(`/api/uptime/monitors/${new URL(page.url()).pathname.split("/")[2]}/alerts`);
  assert.deepEqual([rule.conditions.no_data_seconds, rule.conditions.consecutive_failures, rule.conditions.response_time_percentile, rule.alert_config.has_secret], [600, null, { percentile: 95, threshold_ms: 1, window_seconds: 60 }, true]);
  step("a rule is changed; its secret stays");

  await page.getByRole("link", { name: "Maintenance" }).first().click();
  await page.getByRole("button", { name: "Add window" }).click();
  await page.getByRole("dialog").getByRole("checkbox", { name: "Database" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Add window" }).click();
  await page.getByText("Maintenance", { exact: true }).nth(1).waitFor();
  await inspect(page, "maintenance");
  await page.getByRole("link", { name: "Monitors" }).first().click();
  await badge("Database", "maintenance").waitFor();
  // The next results must not take it away.
  const checks = async () => (await read("/api/uptime/monitors")).find((m) => m.name === "Database").status.consecutive_successes;
  for (let before = await checks(); (await checks()) < before + 3;) await page.waitForTimeout(250);
  await badge("Database", "maintenance").waitFor();
  step("in a maintenance window it stays in maintenance while checks go on");

  await page.getByRole("link", { name: "Groups" }).first().click();
  await page.getByRole("button", { name: "Add group" }).click();
  const together = page.getByRole("dialog");
  await together.getByLabel("Name").fill("Front");
  await together.getByLabel("Down when").selectOption({ label: "So many members are down" });
  await together.getByLabel("How many", { exact: true }).fill("4");
  await together.getByRole("button", { name: "Add group" }).click();
  await together.getByText("Choose a monitor, or name a label below").waitFor();
  await together.getByRole("checkbox", { name: "Web shop" }).check();
  await together.getByRole("button", { name: "Add group" }).click();
  await together.getByText("There are only 1: it would never be down").waitFor();
  await together.getByLabel("How many", { exact: true }).fill("1");
  await inspect(page, "a group's form");
  await together.getByRole("button", { name: "Add group" }).click();
  await page.getByText("0 of 1 down").waitFor();
  await page.getByRole("button", { name: "Edit Front" }).click();
  await together.getByLabel("Channels are told of").selectOption({ label: "The group only" });
  await together.getByLabel("And all with these labels").fill("=");
  await together.getByRole("button", { name: "Save" }).click();
  await together.locator("input[name=labels][aria-invalid=true]").waitFor();
  await together.getByLabel("And all with these labels").fill("");
  await together.getByRole("button", { name: "Save" }).click();
  await page.getByText("Down when 1 are; only the group is told of.").waitFor();
  await inspect(page, "groups");
  const [front] = (await read("/api/uptime/groups")).groups;
  assert.deepEqual([front.rule, front.alert_level, front.counts.total], [{ type: "count", count: 1, percent: null }, "group", 1]);
  await page.getByRole("button", { name: "Delete Front" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No groups").waitFor();
  step("a group is added, with the server's words at its fields, changed and deleted");

  await page.getByRole("link", { name: "Maintenance" }).first().click();
  await page.getByRole("button", { name: "Add window" }).click();
  const planned = page.getByRole("dialog");
  await planned.getByLabel("Name").fill("Upgrades");
  await planned.getByLabel("How often").selectOption({ label: "By cron" });
  await planned.getByLabel("Cron").fill("61 2 * * *");
  await planned.getByText("must be between 0 and 59").waitFor();
  await planned.getByRole("button", { name: "Add window" }).click();
  await planned.getByText("Choose a monitor, or name a label below").waitFor();
  await planned.getByRole("checkbox", { name: "Web shop" }).check();
  await planned.getByRole("button", { name: "Add window" }).click();
  await planned.locator("input[name=cron][aria-invalid=true]").waitFor();
  await planned.getByLabel("Cron").fill("30 2 * * SUN");
  await planned.getByLabel("Time zone").fill("America/New_York");
  await planned.getByLabel("Lasts").fill("1 h 30 min");
  assert.equal(await planned.getByTestId("next").getByRole("listitem").count(), 5);
  assert.match(await planned.getByTestId("next").innerText(), /^(Sun.* 02:30 to 04:00\n?){5}$/);
  await inspect(page, "a window's form");
  await planned.getByRole("button", { name: "Add window" }).click();
  await page.getByText("30 2 * * SUN, 1 h 30 min each, America/New_York").waitFor();
  await page.getByRole("button", { name: "Edit Upgrades" }).click();
  await planned.getByLabel("How often").selectOption({ label: "By a rule (RRULE)" });
  await planned.getByLabel("Rule", { exact: true }).fill("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=23;BYMINUTE=0");
  await planned.getByLabel("Lasts").fill("2 h");
  const promised = await planned.getByTestId("next").getByRole("listitem").allInnerTexts();
  await planned.getByRole("button", { name: "Save" }).click();
  await page.getByText("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=23;BYMINUTE=0, 2 h each, America/New_York").waitFor();
  const upgrades = (await read("/api/uptime/maintenance-windows")).maintenance_windows.find((w) => w.name === "Upgrades");
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  assert.deepEqual(promised.map((t) => t.replace(/ to .*/, "")), upgrades.next_occurrences.map((o) => day.format(new Date(o.start))), "the form promised other times than the server has");
  assert.deepEqual([upgrades.cron, upgrades.duration_seconds], [null, 7200]);
  step("a window by cron is added and becomes one by a rule; the next five are what the server has");

  for (const [word, heading] of [["Incidents", "Incidents"], ["Channels", "Notification channels"], ["Settings", "Settings"]]) {
    await page.getByRole("link", { name: word, exact: true }).first().click();
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    await quiet(page);
    await inspect(page, heading.toLowerCase());
  }

  await page.getByRole("link", { name: "Channels", exact: true }).first().click();
  await page.getByRole("button", { name: "Add channel" }).click();
  let dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Pager");
  await dialog.getByLabel("Kind").selectOption("pagerduty");
  await dialog.getByLabel("Integration key").fill("0123456789abcdef0123456789abcdef");
  await dialog.getByRole("button", { name: "Add channel" }).click();
  await page.getByText("Pager", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Add channel" }).click();
  await dialog.getByLabel("Name").fill("Hook");
  await dialog.getByLabel("URL").fill("nowhere");
  await dialog.getByRole("button", { name: "Add channel" }).click();
  await dialog.locator('input[name="config.url"][aria-invalid=true]').waitFor();
  await dialog.getByLabel("URL").fill(web.url);
  await dialog.getByRole("button", { name: "Add channel" }).click();
  await dialog.getByText("shown only this once").waitFor();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Edit Hook" }).click();
  await dialog.getByText("Stored; left empty it stays as it is.").waitFor();
  await dialog.getByLabel("Remind every").fill("4");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("A number and a unit").waitFor();
  await inspect(page, "a channel's form with something wrong");
  await dialog.getByLabel("Remind every").fill("1 h 30 min");
  await dialog.getByLabel("Test by itself every").fill("24");
  await dialog.getByLabel("Tell instead").selectOption({ label: "Pager" });
  await dialog.getByLabel("After").fill("2 min");
  await dialog.getByLabel("Gather messages for").fill("0");
  await dialog.getByLabel("Messages a minute").fill("12");
  await dialog.getByRole("radio", { name: "Only some" }).check();
  await dialog.getByRole("checkbox", { name: "Database" }).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText("Reminds every 1 h 30 min · falls back to “Pager” after 2 min").waitFor();
  const hook = (await read("/api/uptime/notification-channels")).channels.find((c) => c.name === "Hook");
  assert.deepEqual([hook.reminder_interval_seconds, hook.canary_interval_hours, hook.fallback_after_seconds, hook.digest_window_seconds, hook.max_messages_per_minute, hook.monitor_ids.length, hook.config.has_secret],
    [5400, 24, 120, 0, 12, 1, true]);
  await inspect(page, "channels");
  step("a channel's reminders, tests, fallback and limits are changed; its secret stays");

  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "A monitor, a page, something to do" }).waitFor();
  await inspect(page, "the palette");
  await page.getByRole("combobox", { name: "A monitor, a page, something to do" }).fill("shop");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Web shop", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Actions for Web shop" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("dialog").waitFor();
  await inspect(page, "a question");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await badge("Database", "maintenance").waitFor();
  assert.equal(await page.getByRole("article", { name: "Web shop" }).count(), 0);
  step("found by Ctrl-K, and deleted");

  await members(page);
  await auditAndSessions(page, product.url);
  await yamlFillsIn(page, product.url, db.port);
  await everyFieldSaysWhatIsWrong(page, product.url);
  await byKeyboardAlone(page, product.url, await freePort());
  await textStaysText(page, product.url);
  await policyIsStrict(page, product.url, troubles);
  await organizations(page, product.url, db);
  await viewerOnlyReads(page, product.url);

  await goesOutAndIn(page, () => inspect(page, "sign in"));
  await badge("Database", "maintenance").waitFor();
  step("by keys alone: out and in again");

  // Who is signed in is asked before anybody is, and a bad form is refused: the browser itself notes such answers.
  const serious = troubles.filter((t) => !/Failed to load resource: .* status of (401|400|409)/.test(t));
  assert.deepEqual(serious, []);
  step("no error in the console, no request to another host");
} catch (error) {
  await page.screenshot({ path: path.join(out, "failure.png"), fullPage: true }).catch(() => {});
  console.error(error, `\n${troubles.join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await product.stop();
  await Promise.all([web.stop(), db.stop(), onCall.stop()]);
}
