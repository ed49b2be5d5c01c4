// Starts the product as people start it, on loopback with a folder of its own, and targets for it to watch.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
export const out = path.join(here, "out");

/** Where the system's Chromium is; the scenario is skipped without one. */
export const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => spawnSync("test", ["-x", p]).status === 0);

/** A port that is free now and that the system gives to nobody by itself. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await new Promise((done) => {
      const probe = net.createServer().once("error", () => done(false)).once("listening", () => probe.close(() => done(true)));
      probe.listen(port, "127.0.0.1");
    });
    if (free) return port;
  }
}

export function buildProduct() {
  mkdirSync(out, { recursive: true });
  const binary = path.join(out, "frogup");
  const built = spawnSync("go", ["build", "-o", binary, "./cmd/frogup"], { cwd: root, stdio: "inherit", env: { ...process.env, CGO_ENABLED: "0" } });
  if (built.status !== 0) throw new Error("go build failed");
  return binary;
}

/** Starts the product and waits until it says under which link its owner is made. */
export async function startProduct(binary, extra = {}) {
  const data = mkdtempSync(path.join(os.tmpdir(), "frogup-client-"));
  const port = await freePort();
  const child = spawn(binary, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: data, ...extra } });
  let said = "";
  const link = await new Promise((found, failed) => {
    const read = (chunk) => {
      said += chunk;
      const m = /https?:\/\/[^\s"]+\/setup\?token=[^\s"\\]+/.exec(said);
      if (m) found(m[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => failed(new Error(`frogup ended with ${code}:\n${said}`)));
    setTimeout(() => failed(new Error(`frogup named no set-up link:\n${said}`)), 60_000).unref();
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url, link: url + link.slice(link.indexOf("/setup")), said: () => said,
    stop: () => new Promise((done) => { child.once("exit", () => { rmSync(data, { recursive: true, force: true }); done(); }); child.kill("SIGTERM"); }),
  };
}

const allGood = (_, res) => setTimeout(() => res.end("all good here"), 4 + Math.random() * 8);

/** A web server that can be stopped and started again on the same port. */
export async function httpTarget(answer = allGood) {
  const port = await freePort();
  let server;
  const start = () => new Promise((done) => {
    server = http.createServer(answer);
    server.listen(port, "127.0.0.1", done);
  });
  const stop = () => new Promise((done) => { server.close(done); server.closeAllConnections(); });
  await start();
  return { port, url: `http://127.0.0.1:${port}/health`, start, stop };
}

/** A receiver of webhooks: what it was told, and a way to wait for a message. */
export async function receiver() {
  const told = [];
  let waiting = [];
  const target = await httpTarget((req, res) => {
    let body = "";
    req.on("data", (chunk) => { body += chunk; });
    req.on("end", () => {
      res.end();
      told.push({ at: Date.now(), ...JSON.parse(body) });
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    });
  });
  /** The first message that is like that, or an error after a time. */
  const get = async (is, about, ms = 30_000) => {
    const until = Date.now() + ms;
    for (;;) {
      const found = told.find(is);
      if (found) return found;
      if (Date.now() >= until) throw new Error(`nobody was told: ${about}; told were ${JSON.stringify(told.map((t) => `${t.type} ${t.data?.monitor?.name}`))}`);
      await new Promise((done) => { waiting.push(done); setTimeout(done, until - Date.now()).unref(); });
    }
  };
  return { ...target, told, get };
}

export async function tcpTarget() {
  const port = await freePort();
  const server = net.createServer((s) => s.on("error", () => {}).end("hello\n"));
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { port, stop: () => new Promise((done) => server.close(done)) };
}

/** Opens a browser with one page, as openPage does. */
export async function openBrowser(url) {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", locale: "en-GB", timezoneId: "Europe/Berlin" });
  return { browser, ...(await openPage(context, url)) };
}

/** Opens a page that notes every error that a console would show, and every request that goes elsewhere. */
export async function openPage(context, url) {
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") troubles.push(`console ${m.type()}: ${m.text()} ${m.location().url.replace(url, "")}`); });
  page.on("pageerror", (e) => troubles.push(`error: ${e.message}`));
  page.on("request", (r) => { if (!r.url().startsWith(url) && !r.url().startsWith("data:")) troubles.push(`request to ${r.url()}`); });
  page.setDefaultTimeout(30_000);
  return { page, troubles };
}

export async function setUpOwner(page, link) {
  await page.goto(link);
  await page.getByLabel("E-mail").fill("owner@example.com");
  await page.getByLabel("Password").fill("a long enough password");
  await page.getByLabel("Organization").fill("Pond");
  await page.getByRole("button", { name: "Create the owner" }).click();
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
}
