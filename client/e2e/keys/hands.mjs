// A person who has a keyboard and no pointer.
import assert from "node:assert/strict";

const MOST = 250;

const has = (locator) => locator.evaluate((e) => e === document.activeElement);

/** Goes on with Tab, or back with Shift and Tab where it stands before, until an element has the focus; fails if it never does. */
export async function tabTo(page, locator) {
  await locator.waitFor();
  const before = await locator.evaluate((e) => Boolean(document.activeElement && document.activeElement !== document.body && e.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_FOLLOWING));
  for (const key of before ? ["Shift+Tab", "Tab"] : ["Tab"]) {
    for (let i = 0; i < MOST; i++) {
      if (await has(locator)) return;
      await page.keyboard.press(key);
    }
  }
  assert.fail(`Tab never comes to ${locator}`);
}

/** Fails where the focus is on something and nothing shows that. */
async function isSeen(locator) {
  const outline = await locator.evaluate((e) => { const around = e.closest("label") ?? e; return [e, around].some((x) => { const s = getComputedStyle(x); return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none"; }); });
  assert.ok(outline, `the focus on ${locator} cannot be seen`);
}

/** Goes to something and presses a key there, when it can be used. */
export async function press(page, locator, key = "Enter") {
  await locator.waitFor();
  await page.waitForFunction((e) => !e.disabled, await locator.elementHandle());
  await tabTo(page, locator);
  await isSeen(locator);
  await page.keyboard.press(key);
}

/** Writes into a field in the place of what is there. */
export async function type(page, locator, text) {
  await tabTo(page, locator);
  await isSeen(locator);
  await page.keyboard.press("Control+a");
  if (text === "") await page.keyboard.press("Delete");
  else await page.keyboard.insertText(text);
}

/** Goes through the entries of an open menu by the arrows, and takes one. */
export async function take(page, entry) {
  await entry.waitFor();
  for (let i = 0; i < 20 && !(await has(entry)); i++) await page.keyboard.press("ArrowDown");
  assert.ok(await has(entry), `the arrows never come to ${entry}`);
  await page.keyboard.press("Enter");
}

/** Opens the menu of a button and takes an entry. */
export async function choose(page, button, entry) {
  await press(page, button);
  await take(page, typeof entry === "string" ? page.getByRole("menuitem", { name: entry }) : entry);
}

/** Chooses an option of a select by its words, by the arrows. */
export async function pick(page, select, words) {
  await tabTo(page, select);
  await isSeen(select);
  const by = await select.evaluate((s, w) => { const i = [...s.options].findIndex((o) => o.text.trim() === w || o.text.trim().startsWith(w)); return i < 0 ? null : i - s.selectedIndex; }, words);
  assert.notEqual(by, null, `${select} has no ${words}`);
  for (let i = 0; i < Math.abs(by); i++) await page.keyboard.press(by > 0 ? "ArrowDown" : "ArrowUp");
  await page.waitForFunction(([s, w]) => s.selectedOptions[0].text.trim().startsWith(w), [await select.elementHandle(), words]);
}

/** Chooses one of a group of radios, of which Tab comes to one only. */
export async function radio(page, wanted) {
  await wanted.waitFor();
  const name = await wanted.getAttribute("name");
  await tabTo(page, wanted.page().locator(`input[type=radio][name="${name}"]:checked`).last());
  for (let i = 0; i < 10 && !(await has(wanted)); i++) await page.keyboard.press("ArrowDown");
  assert.ok(await has(wanted) && await wanted.isChecked(), `the arrows never come to ${wanted}`);
  await isSeen(wanted);
}

/** Goes to another tab of a page, by the arrows. */
export async function openTab(page, name) {
  await tabTo(page, page.locator("[role=tab][data-state=active]"));
  const wanted = page.getByRole("tab", { name, exact: true });
  for (let i = 0; i < 10 && !(await has(wanted)); i++) await page.keyboard.press("ArrowRight");
  await page.waitForFunction((e) => e.dataset.state === "active", await wanted.elementHandle());
}

/** Goes to a page by the links at the top. */
export async function goBy(page, word, heading) {
  await press(page, page.getByRole("link", { name: word, exact: true }).first());
  await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

/** Waits until something has the focus that is said to get it. */
export async function arrives(page, locator, why) {
  await page.waitForFunction((e) => e === document.activeElement, await locator.elementHandle()).catch(() => assert.fail(`${why}: the focus is not on ${locator}`));
}

/** Waits until something is so that only the server says. */
export async function until(is, about, ms = 90_000) {
  for (const end = Date.now() + ms; !(await is());) {
    assert.ok(Date.now() < end, `it never came to be: ${about}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Fails where the focus was lost: what had it went away, and the page would be gone through from its top again. */
export async function kept(page, after) {
  await page.waitForFunction(() => document.activeElement && document.activeElement !== document.body, undefined, { timeout: 5_000 }).catch(() => assert.fail(`the focus is lost after ${after}`));
}
