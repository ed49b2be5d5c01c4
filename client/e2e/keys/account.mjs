// By keys: the first start, in and out, how it looks, on whose clock, the palette.
import assert from "node:assert/strict";
import { step } from "../inspect.mjs";
import { arrives, choose, goBy, kept, openTab, pick, press, tabTo, type } from "./hands.mjs";

const owner = { email: "owner@example.com", password: "a long enough password" };

/** Makes the first owner by the one-time link. */
export async function setsUp(page, link) {
  await page.goto(link);
  await arrives(page, page.getByLabel("E-mail"), "the first start");
  await type(page, page.getByLabel("E-mail"), owner.email);
  await type(page, page.getByLabel("Password"), "short");
  await press(page, page.getByRole("button", { name: "Create the owner" }));
  await page.locator("input[name=password][aria-invalid=true]").waitFor();
  await kept(page, "a refusal");
  await type(page, page.getByLabel("Password"), owner.password);
  await type(page, page.getByLabel("Organization"), "Pond");
  await press(page, page.getByRole("button", { name: "Create the owner" }));
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await kept(page, "the first start");
}

/** Signs out, and in again. */
export async function goesOutAndIn(page, look) {
  await choose(page, page.getByRole("button", { name: "Account and appearance" }), "Sign out");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await arrives(page, page.getByLabel("E-mail"), "signed out");
  await look();
  await type(page, page.getByLabel("E-mail"), owner.email);
  await type(page, page.getByLabel("Password"), owner.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Monitors", exact: true }).waitFor();
  await kept(page, "signing in");
}

const scheme = (page) => page.evaluate(() => document.documentElement.dataset.scheme ?? "system");

/** Light and dark, the time zone, and the palette. */
export async function appearance(page) {
  const menu = page.getByRole("button", { name: "Account and appearance" });
  await choose(page, menu, page.getByRole("menuitemradio", { name: "Dark" }));
  assert.equal(await scheme(page), "dark");
  await arrives(page, menu, "a choice in the menu");
  await goBy(page, "Settings", "Settings");
  await openTab(page, "Account");
  await pick(page, page.getByLabel("Light or dark"), "Light");
  assert.equal(await scheme(page), "light");
  await pick(page, page.getByLabel("Light or dark"), "As the system");
  assert.equal(await scheme(page), "system");
  const zone = page.getByLabel("Time zone");
  await type(page, zone, "Atlantis");
  await page.getByText("A name such as Europe/Berlin").waitFor();
  await type(page, zone, "Asia/Tokyo");
  await page.getByText(/^Now: .*(GMT\+9|JST)$/).waitFor();
  await type(page, zone, "");
  await page.getByText(/^Now: .*(CET|CEST|GMT\+[12])$/).waitFor();
  step("by keys alone: light, dark, and on whose clock");

  await palette(page, "regions", "Regions and probers");
  await page.getByRole("heading", { name: "Regions and probers", level: 1 }).waitFor();
  await kept(page, "the palette");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "A monitor, a page, something to do" }).waitFor();
  const before = page.url();
  await page.keyboard.press("Escape");
  await page.getByRole("combobox").waitFor({ state: "detached" });
  assert.equal(page.url(), before);
  await kept(page, "leaving the palette");
  await tabTo(page, page.getByRole("button", { name: "Go to or do… (Ctrl K)" }));
  step("by keys alone: the palette, and out of it");
}

/** Takes the first that the palette finds for some words, once that is what is wanted. */
export async function palette(page, words, wanted) {
  await page.keyboard.press("Control+k");
  const box = page.getByRole("combobox", { name: "A monitor, a page, something to do" });
  await box.waitFor();
  await arrives(page, box, "the palette");
  await page.keyboard.insertText(words);
  await page.getByRole("option", { name: wanted }).first().waitFor();
  for (let i = 0; i < 20; i++) {
    if ((await page.locator("[role=option][aria-selected=true]").innerText()).includes(typeof wanted === "string" ? wanted : words)) break;
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Enter");
}
