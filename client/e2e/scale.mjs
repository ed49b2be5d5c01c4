// Ten thousand monitors with a year behind them, in a browser: how soon the list is there, how it scrolls, what it holds in
// memory, and how soon the chart of a year stands. The folder is made by `go run ./bench/year`; see bench/README.md.
//
//   FROGUP_YEAR=/tmp/year npm run scale
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { browserPath, buildProduct, freePort } from "./product.mjs";

const folder = process.env.FROGUP_YEAR;
if (!browserPath || !folder) {
  console.error(browserPath ? "FROGUP_YEAR must name a folder that bench/year has filled." : "There is no Chromium.");
  process.exit(2);
}
const TARGET = Number(process.env.FROGUP_YEAR_TARGET ?? 19180); // where bench/year lets the monitors look
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const owner = { email: "bench@example.com", password: "a-benchmark-password" };
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];
const load = () => readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 2).join(" ");

const rows = [];
/** Notes a figure. gate: what it must be; absent for what is only told. */
const figure = (name, value, unit, gate, holds) => rows.push([name, `${value} ${unit}`, gate ?? "", gate ? (holds ? "kept" : "BROKEN") : ""]);

/** What all monitors look at that are not meant to be down. */
async function listen() {
  const server = http.createServer((_, res) => res.writeHead(200, { Connection: "close" }).end("all good here\n"));
  await new Promise((done) => server.listen(TARGET, "127.0.0.1", 4096, done));
  return server;
}

/** Starts the product on a copy of the folder, so that the next measurement begins where this one did. */
async function start(binary) {
  const data = mkdtempSync(path.join(os.tmpdir(), "frogup-scale-"));
  cpSync(path.join(folder, "data"), data, { recursive: true });
  const port = await freePort();
  const began = Date.now();
  const child = spawn(binary, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: data } });
  let said = "";
  const note = (chunk) => { said = (said + chunk).slice(-20_000); };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  let ended = false;
  child.once("exit", () => { ended = true; });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/readyz`).then((r) => r.ok, () => false))) {
    if (ended || Date.now() - began > 120_000) throw new Error(`frogup is not ready:\n${said}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  figure("start until ready", Date.now() - began, "ms");
  return { url, pid: child.pid, stop: () => new Promise((done) => { if (ended) done(); else { child.once("exit", done); child.kill("SIGTERM"); } }).then(() => rmSync(data, { recursive: true, force: true })) };
}

/** Signs in and returns what a browser needs to be signed in too. */
async function signIn(browser, url) {
  const context = await browser.newContext();
  const answer = await context.request.post(`${url}/api/auth/login`, { data: owner });
  if (!answer.ok()) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`);
  const state = await context.storageState();
  return { state, api: context.request };
}

/** Waits until every monitor that is on has been checked since the start, and all that a row shows is known. */
async function settle(api, url) {
  const began = Date.now();
  for (;;) {
    const rows = await (await api.get(`${url}/api/uptime/monitors?page_size=1000`)).json();
    const open = rows.filter((m) => m.enabled && (!m.status || Date.parse(m.status.last_checked_at) < began || m.status.uptime_percentage_30d === null));
    if (open.length === 0) return figure("until each had been checked", Math.round((Date.now() - began) / 1000), "s");
    if (Date.now() - began > 600_000) throw new Error(`${open.length} of the newest monitors are not checked`);
    await new Promise((done) => setTimeout(done, 1000));
  }
}

/** A page in a browser without anything cached. */
async function fresh(browser, state) {
  const context = await browser.newContext({ storageState: state, viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin" });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const cdp = await context.newCDPSession(page);
  return { context, page, cdp };
}

/** Notes in the page when what a person came for stands there: what is wrong, and the first rows with their states; and when all is there. */
const watchForFirstView = () => {
  globalThis.seen = {};
  const look = () => {
    const rows = document.querySelectorAll("article [data-status]").length;
    const said = document.querySelector("#trouble, section[aria-label=Overview] h2");
    if (rows >= 5 && said) globalThis.seen.first ??= (requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.seen.painted = performance.now(); })), performance.now());
    const whole = document.querySelector('[role=group][aria-label=State] button');
    if (whole) globalThis.seen.whole ??= performance.now();
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
};

async function firstViews(browser, state, url) {
  const [first, whole] = [[], []];
  let script = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const { context, page, cdp } = await fresh(browser, state);
    await page.addInitScript(watchForFirstView);
    await cdp.send("Network.enable");
    const scripts = new Set();
    let bytes = 0;
    cdp.on("Network.responseReceived", (e) => { if (e.type === "Script") scripts.add(e.requestId); });
    cdp.on("Network.loadingFinished", (e) => { if (scripts.has(e.requestId)) bytes += e.encodedDataLength; });
    await page.goto(`${url}/uptime`);
    await page.waitForFunction(() => globalThis.seen.painted && globalThis.seen.whole);
    const seen = await page.evaluate(() => globalThis.seen);
    first.push(Math.round(seen.painted));
    whole.push(Math.round(seen.whole));
    script = Math.max(script, bytes);
    await context.close();
  }
  figure("first meaningful view of /uptime, median", median(first), "ms", "< 1000 ms", median(first) < 1000);
  figure("first meaningful view, worst of them", Math.max(...first), "ms");
  figure("whole list there, median", median(whole), "ms");
  figure("script of the first load, as sent", (script / 1000).toFixed(1), "kB", "≤ 200 kB", script > 0 && script <= 200_000);
}

/** Runs work while the browser notes what it draws, and returns the frames that it drew and dropped. */
async function traced(browser, page, work) {
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline.frame", "devtools.timeline.frame", "devtools.timeline"] });
  await work();
  const trace = JSON.parse((await browser.stopTracing()).toString());
  return trace.traceEvents.filter((e) => e.name === "DrawFrame" || e.name === "DroppedFrame");
}

async function scrolling(browser, state, url) {
  const { context, page, cdp } = await fresh(browser, state);
  await page.goto(`${url}/uptime`);
  await page.getByRole("group", { name: "State" }).getByRole("button").first().waitFor();
  await page.waitForTimeout(2000);
  const rates = [];
  let longest = 0;
  for (let i = 0; i < 3; i++) {
    let begun = 0;
    let over = 0;
    const events = await traced(browser, page, async () => {
      begun = await page.evaluate(() => performance.now());
      await page.evaluate(() => { globalThis.frames = []; const note = (t) => { globalThis.frames.push(t); globalThis.noting = requestAnimationFrame(note); }; globalThis.noting = requestAnimationFrame(note); });
      await cdp.send("Input.synthesizeScrollGesture", { x: 640, y: 500, yDistance: -24_000, speed: 4_000, gestureSourceType: "mouse", preventFling: true });
      over = await page.evaluate(() => { cancelAnimationFrame(globalThis.noting); return performance.now(); });
    });
    const frames = await page.evaluate(() => globalThis.frames);
    const gaps = frames.slice(1).map((t, k) => t - frames[k]);
    longest = Math.max(longest, ...gaps);
    const drawn = events.filter((e) => e.name === "DrawFrame").map((e) => e.ts).sort((a, b) => a - b);
    rates.push(((drawn.length - 1) / ((drawn.at(-1) - drawn[0]) / 1e6)));
    if (process.env.VERBOSE) console.log(`scroll ${i}: ${drawn.length} drawn in ${((drawn.at(-1) - drawn[0]) / 1e6).toFixed(2)} s, ${events.length - drawn.length} dropped, ${frames.length} frames of the page in ${((over - begun) / 1000).toFixed(2)} s, ${gaps.filter((g) => g > 25).length} longer than 25 ms`);
  }
  figure("scrolling 24,000 pixels at 4,000 a second, median of 3", median(rates).toFixed(1), "frames/s", "≥ 55 frames/s", median(rates) >= 55);
  figure("longest frame of the page while scrolling", longest.toFixed(0), "ms");
  await page.waitForTimeout(3000);
  const heap = async () => (await cdp.send("Runtime.getHeapUsage")).usedSize / 1e6;
  const before = await heap();
  await cdp.send("HeapProfiler.collectGarbage");
  const after = await heap();
  figure("JavaScript heap with the list, scrolled and live", after.toFixed(0), "MB", "< 150 MB", after < 150);
  figure("the same before collecting garbage", before.toFixed(0), "MB");
  await context.close();
}

/** Notes in the page when both drawings of a year stand. */
const year = () => {
  const done = () => ["responses", "bars"].every((id) => { const e = document.querySelector(`[data-testid=${id}]`); return e && e.getAttribute("aria-busy") !== "true" && e.querySelector("canvas, svg"); })
    && document.querySelector('[role=radio][aria-checked=true], [data-state=on]')?.textContent === "1 y";
  globalThis.stands = undefined;
  const look = () => { if (globalThis.stands === undefined && done()) requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.stands ??= performance.now(); })); };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
};

async function years(browser, state, url, ids) {
  const [clicked, opened] = [[], []];
  for (const id of ids) {
    const { context, page } = await fresh(browser, state);
    await page.goto(`${url}/uptime/${id}`);
    await page.locator("[data-testid=responses] canvas").waitFor();
    await page.waitForTimeout(500);
    await page.evaluate(year);
    const from = await page.evaluate(() => { const b = [...document.querySelectorAll("[role=radio], button")].find((e) => e.textContent === "1 y"); const t = performance.now(); b.click(); return t; });
    await page.waitForFunction(() => globalThis.stands !== undefined);
    clicked.push(Math.round((await page.evaluate(() => globalThis.stands)) - from));
    await context.close();

    const cold = await fresh(browser, state);
    await cold.page.addInitScript(year);
    await cold.page.goto(`${url}/uptime/${id}?range=1y`);
    await cold.page.waitForFunction(() => globalThis.stands !== undefined);
    opened.push(Math.round(await cold.page.evaluate(() => globalThis.stands)));
    await cold.context.close();
  }
  figure(`chart of a year from the click, median of ${ids.length} monitors`, median(clicked), "ms", "< 700 ms", median(clicked) < 700);
  figure("chart of a year from the click, worst", Math.max(...clicked), "ms");
  figure("page with the chart of a year, nothing cached, median", median(opened), "ms");
}

const binary = process.env.FROGUP_BINARY ?? buildProduct();
const target = await listen();
const loadBefore = load();
let product, browser;
try {
  product = await start(binary);
  browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const { state, api } = await signIn(browser, product.url);
  await settle(api, product.url);
  const newest = await (await api.get(`${product.url}/api/uptime/monitors?page_size=1000`)).json();
  const all = newest[0].id;
  // Those that are checked every five minutes all year were made first.
  const least = all - Number(process.env.MONITORS ?? 10_000) + 1;
  await firstViews(browser, state, product.url);
  await scrolling(browser, state, product.url);
  await years(browser, state, product.url, [least, least + 7, least + 14, newest[3].id, newest[500].id]);
} finally {
  await browser?.close();
  await product?.stop();
  target.close();
  target.closeAllConnections();
}
const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((r) => r[i].length)));
for (const r of rows) console.log(r.map((c, i) => (i === 1 ? c.padStart(widths[i]) : c.padEnd(widths[i]))).join("   ").trimEnd());
console.log(`load of the machine: ${loadBefore} before, ${load()} after; ${os.cpus().length} processors`);
if (rows.some((r) => r[3] === "BROKEN")) {
  console.error("A gate is broken.");
  process.exitCode = 1;
}
