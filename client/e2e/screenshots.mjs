// Takes pictures of the screens in both themes, wide and narrow, into e2e/out, of a product that has something to show.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { buildProduct, freePort, httpTarget, openBrowser, openPage, out, setUpOwner, startProduct, tcpTarget } from "./product.mjs";

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const binary = process.env.FROGUP_BINARY ?? buildProduct();
const product = await startProduct(binary);
const [web, db, gone] = [await httpTarget(), await tcpTarget(), await freePort()];
const { browser, page, troubles } = await openBrowser(product.url);
const only = process.env.ONLY?.split(",");
let remote;

/** Takes a page as it is now in both themes, wide and narrow. */
async function picture(of, name) {
  for (const scheme of ["light", "dark"]) {
    await of.emulateMedia({ colorScheme: scheme });
    for (const width of [1280, 320]) {
      await of.setViewportSize({ width, height: width === 320 ? 640 : 900 });
      await wait(900);
      await of.screenshot({ path: path.join(out, `${name}-${scheme}-${width}.png`), fullPage: process.env.FULL !== "0" });
    }
  }
}

/** Lets a prober into a region, and starts it beside the product. */
async function startProber(post, region) {
  const { token, id } = await post("/api/uptime/probers", { region, id: `${region}-1` });
  const data = mkdtempSync(path.join(os.tmpdir(), "frogup-prober-"));
  const child = spawn(binary, ["prober", "--join", product.url, "--data", data], { stdio: "ignore", env: { PATH: process.env.PATH, HOME: data, FROGUP_TOKEN: token } });
  const there = async () => (await (await page.request.get(`${product.url}/api/uptime/probers`)).json()).probers.some((p) => p.id === id && p.health === "healthy");
  for (let i = 0; i < 100 && !(await there()); i++) await wait(200);
  if (!(await there())) throw new Error("the prober did not join");
  return () => new Promise((done) => { child.once("exit", () => { rmSync(data, { recursive: true, force: true }); done(); }); child.kill("SIGTERM"); });
}

try {
  if (!only || only.includes("setup")) {
    await page.goto(product.link);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await picture(page, "setup");
    await page.setViewportSize({ width: 1280, height: 900 });
  }
  await setUpOwner(page, product.link);
  const post = (path, body) => page.evaluate(async ([p, b]) => (await (await fetch(p, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(b) })).json()), [path, body]);
  const make = (body) => post("/api/uptime/monitors", { interval_seconds: 2, confirm_down: 2, retry_interval_seconds: 1, ...body });
  const api = await make({ name: "Checkout API", monitor_type: "http", http_config: { url: web.url }, labels: { team: "shop", env: "prod" } });
  await make({ name: "Orders database", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: db.port }, labels: { team: "shop" } });
  await make({ name: "Search", monitor_type: "http", http_config: { url: `${web.url}?q=frog` }, labels: { team: "search" } });
  await make({ name: "Billing worker", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: gone } });
  remote = await startProber(post, "eu-west");
  await make({ name: "Status page", monitor_type: "http", http_config: { url: `${web.url}?q=status` }, regions: ["local", "eu-west"] });
  const moved = await make({ name: "Mail relay", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: db.port } });
  const idle = await make({ name: "Old landing page", monitor_type: "http", http_config: { url: web.url } });
  await page.evaluate((id) => fetch(`/api/uptime/monitors/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: '{"enabled":false}' }), idle.id);
  await post("/api/uptime/maintenance-windows", { name: "Move of the mail relay", monitor_ids: [moved.id], ends_at: new Date(Date.now() + 7_200_000).toISOString() });
  await post("/api/uptime/notification-channels", { type: "webhook", name: "On call", config: { url: `http://127.0.0.1:${web.port}/hook` } });
  await post("/api/uptime/groups", { name: "Shop", description: "Two of them are enough", labels: ["team=shop"], rule: { type: "count", count: 2 }, alert_level: "both" });
  await post("/api/organizations/members", { email: "viewer@example.com", role: "viewer", password: "another long password" });
  await wait(Number(process.env.SECONDS ?? 25) * 1000);

  const { incidents } = await page.evaluate(async () => (await fetch("/api/uptime/incidents?status=open")).json());
  await post(`/api/uptime/incidents/${incidents[0].id}/notes`, { text: "The worker was moved to another port; its unit still has the old one." });
  const screens = [["dashboard", "/uptime"], ["detail", `/uptime/${api.id}?range=1h`], ["create", "/uptime/create"], ["incidents", "/uptime/incidents"], ["incident", `/uptime/incidents/${incidents[0].id}`], ["groups", "/uptime/groups"], ["edit", `/uptime/${api.id}/edit`], ["maintenance", "/uptime/maintenance"],
    ["notifications", "/uptime/notifications"], ["settings", "/uptime/settings"], ["members", "/uptime/settings?tab=members"], ["audit", "/uptime/settings?tab=audit"], ["alerts", `/uptime/${api.id}/alerts`]];
  for (const [name, at] of screens) {
    if (only && !only.includes(name)) continue;
    await page.goto(product.url + at);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("load");
    await picture(page, name);
  }
  // Nothing of this stands in the other pictures.
  await post("/api/uptime/probers", { region: "us-east" });
  await make({ name: "Partner API", monitor_type: "tcp", tcp_config: { host: "127.0.0.1", port: db.port }, regions: ["us-east"] });
  for (const [name, noted] of [["regions"], ["notices", true]]) {
    if (only && !only.includes(name)) continue;
    for (let i = 0; noted && i < 300 && (await (await page.request.get(`${product.url}/api/uptime/notices`)).json()).notices.length === 0; i++) await wait(200);
    await page.goto(`${product.url}/uptime/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await picture(page, name);
  }
  if (!only || only.includes("palette")) {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(`${product.url}/uptime`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.keyboard.press("Control+k");
    await wait(1200);
    await page.screenshot({ path: path.join(out, "palette-dark-1280.png") });
    await page.keyboard.press("Escape");
  }
  if (!only || only.includes("login")) {
    const stranger = await openPage(await browser.newContext({ reducedMotion: "reduce", locale: "en-GB" }), product.url);
    await stranger.page.goto(`${product.url}/uptime`);
    await stranger.page.getByRole("heading", { name: "Sign in" }).waitFor();
    await picture(stranger.page, "login");
  }
  console.log(troubles.length ? troubles.join("\n") : "no console error");
} finally {
  await browser.close();
  await remote?.();
  await product.stop();
  await Promise.all([web.stop(), db.stop()]);
}
