// What people and targets write stays text, whatever it is; and the page's policy would stop it if it did not.
import assert from "node:assert/strict";
import { step } from "./inspect.mjs";
import { httpTarget } from "./product.mjs";

const corpus = [
  '<img src=x onerror="globalThis.hacked=1">', '"><svg onload=globalThis.hacked=1>', "</script><script>globalThis.hacked=1</script>",
  "javascript:globalThis.hacked=1", "'-globalThis.hacked=1-'", "{{constructor.constructor('globalThis.hacked=1')()}}", "<a href=javascript:globalThis.hacked=1>x</a>",
  "<style>*{display:none}</style>", "&lt;b&gt;", "\u202e<b>gnol</b>",
];

/** Fails if anything of the corpus has become a part of the page. */
async function harmless(page, where) {
  const found = await page.evaluate(() => ({
    ran: globalThis.hacked,
    parts: [...document.querySelectorAll("[onerror], [onload], img[src=x], a[href^='javascript:'], #root script, #root style, #root b i")].map((e) => e.outerHTML.slice(0, 120)),
  }));
  assert.deepEqual(found, { ran: undefined, parts: [] }, `${where}: what somebody wrote is part of the page`);
}

/** Names, labels, bodies, headers and error messages that would like to be more than text. */
export async function textStaysText(page, url) {
  const target = await httpTarget((_, res) => {
    res.writeHead(503, { "X-Frog": corpus[0], Server: corpus[1], "Content-Type": "text/html" });
    res.end(corpus.join("\n"));
  });
  const post = async (at, data) => {
    const answer = await page.request.post(url + at, { data });
    assert.ok(answer.ok(), `${at}: ${answer.status()} ${await answer.text()}`);
    return answer.json();
  };
  const made = [];
  for (const [i, text] of corpus.entries()) {
    made.push(await post("/api/uptime/monitors", {
      name: text, monitor_type: "http", interval_seconds: 1, confirm_down: 1, labels: { "x-ss": text }, http_config: { url: target.url, headers: { "X-Mine": text } },
      validation_rules: [{ type: "response_body_contains", value: `${text} is not there ${i}` }],
    }));
  }
  const window = await post("/api/uptime/maintenance-windows", { name: corpus[0], description: corpus[1], monitor_ids: [made[9].id], ends_at: new Date(Date.now() + 3_600_000).toISOString() });
  const [first] = made;
  await page.goto(`${url}/uptime`);
  for (const text of corpus.slice(0, 3)) await page.getByRole("link", { name: text, exact: true }).first().waitFor();
  await harmless(page, "the list");

  await page.goto(`${url}/uptime/${first.id}`);
  await page.getByRole("heading", { name: corpus[0], level: 1, exact: true }).waitFor();
  await page.getByRole("link", { name: `x-ss=${corpus[0]}`, exact: true }).waitFor();
  await page.getByRole("table").getByRole("button").first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(corpus[0], { exact: false }).first().waitFor({ state: "attached" });
  await dialog.evaluate((d) => { for (const part of d.querySelectorAll("details")) part.open = true; });
  await dialog.getByText(corpus[0], { exact: false }).first().waitFor();
  await harmless(page, "a check");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: `Actions for ${corpus[0]}`, exact: true }).click();
  await page.getByRole("menuitem", { name: "As YAML" }).click();
  await page.getByLabel("YAML", { exact: true }).getByText("X-Mine", { exact: false }).waitFor();
  await harmless(page, "a monitor as YAML");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  const pages = [`/uptime/${first.id}/edit`, `/uptime/${first.id}/alerts`, "/uptime/incidents", "/uptime/maintenance", `/uptime?label=${encodeURIComponent(`x-ss=${corpus[0]}`)}`, `/uptime?q=${encodeURIComponent(corpus[0])}`];
  for (const at of pages) {
    await page.goto(url + at);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForFunction((text) => document.getElementById("main").textContent.includes(text) || [...document.querySelectorAll("input")].some((i) => i.value === text), corpus[0]);
    await harmless(page, at);
  }
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "A monitor, a page, something to do" }).fill("onerror");
  await page.getByRole("listbox").getByRole("option", { name: corpus[0] }).waitFor();
  await harmless(page, "the palette");
  await page.keyboard.press("Escape");

  await page.request.delete(`${url}/api/uptime/maintenance-windows/${window.id}`);
  for (const m of made) assert.equal((await page.request.delete(`${url}/api/uptime/monitors/${m.id}`)).status(), 204);
  await target.stop();
  step("names, labels, headers, bodies and messages of strangers stay text on every page that shows them");
}

/** The policy of every page lets nothing run that this host does not serve as a file. */
export async function policyIsStrict(page, url, troubles) {
  for (const at of ["/", "/uptime", "/uptime/7", "/setup"]) {
    const policy = (await page.request.get(url + at)).headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/, at);
    assert.match(policy, /script-src 'self'(;|$)/, at);
    assert.match(policy, /style-src 'self'(;|$)/, at);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/, at);
  }
  await page.goto(`${url}/uptime`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  const before = troubles.length;
  const refused = page.evaluate(() => new Promise((done) => document.addEventListener("securitypolicyviolation", (e) => done(e.violatedDirective), { once: true })));
  await page.evaluate(() => { const s = document.createElement("script"); s.textContent = "globalThis.hacked = 1"; document.body.append(s); s.remove(); });
  assert.match(await refused, /^script-src/);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined, "a script within the page ran");
  await page.waitForFunction(() => true);
  troubles.splice(before); // the violation was ours
  step("the policy of every page is strict, and holds");
}
