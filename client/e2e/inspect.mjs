// What every screen must hold to.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const started = Date.now();

export const step = (text) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

/** Waits until nothing in the page has changed for a moment: what was asked for is there, and drawn. Clocks that tick do not count. */
export async function quiet(page) {
  await page.locator("[aria-label=Loading]").first().waitFor({ state: "detached" });
  await page.evaluate(() => new Promise((done) => {
    const still = () => { watcher.disconnect(); requestAnimationFrame(() => requestAnimationFrame(done)); };
    let timer = setTimeout(still, 250);
    const watcher = new MutationObserver((changes) => {
      if (changes.every((c) => (c.target.parentElement ?? c.target).closest?.("time"))) return;
      clearTimeout(timer);
      timer = setTimeout(still, 250);
    });
    watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    setTimeout(still, 5_000); // a page on which something always moves
  }));
}

/** Looks for what people with other senses could not use, in both themes, and for anything that must be scrolled to sideways. */
export async function inspect(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")} ${v.nodes[0]?.failureSummary ?? ""}`), [], `${name}, ${colorScheme}`);
  }
  await page.setViewportSize({ width: 320, height: 640 });
  await quiet(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 320, `${name} is ${wide} pixels wide on a screen of 320`);
  await page.setViewportSize({ width: 1280, height: 900 });
  step(`${name}: nothing found by axe in either theme, no sideways scrolling at 320 px`);
}
