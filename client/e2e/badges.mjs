// A badge is made, shown to strangers, given a new address, and revoked.
import assert from "node:assert/strict";
import { inspect, step } from "./inspect.mjs";

/** On the page of a monitor that is up. */
export async function badgeIsShown(page, url, name) {
  const open = async () => { await page.getByRole("button", { name: `Actions for ${name}` }).click(); await page.getByRole("menuitem", { name: "Badge" }).click(); };
  const dialog = page.getByRole("dialog");
  await open();
  await dialog.getByRole("button", { name: "Make a badge" }).click();
  const markdown = dialog.getByLabel("Markdown", { exact: true });
  await markdown.waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll("dialog img")].length === 3 && [...document.querySelectorAll("dialog img")].every((i) => i.complete && i.naturalWidth > 40));
  await inspect(page, "a badge");
  const address = /\((http[^)]+status\.svg)\)/.exec(await markdown.innerText())[1];
  const stranger = await page.context().browser().newContext();
  const got = await stranger.request.get(address);
  assert.equal(got.status(), 200);
  assert.match(got.headers()["content-type"], /^image\/svg\+xml/);
  assert.match(got.headers()["cache-control"], /^public, max-age=\d+$/);
  assert.match(await got.text(), new RegExp(`<title>${name}: up</title>`));
  assert.equal((await stranger.request.get(address, { headers: { "If-None-Match": got.headers().etag } })).status(), 304);
  for (const what of ["uptime", "response"]) {
    const shield = await (await stranger.request.get(address.replace("status.svg", `${what}.json?days=7`))).json();
    assert.equal(shield.schemaVersion, 1);
    assert.match(shield.message, what === "uptime" ? /%/ : /ms$/);
  }
  step("a badge is made, and strangers see it");

  await dialog.getByRole("radio", { name: "Uptime, 30 days" }).check();
  assert.match(await dialog.getByLabel("HTML", { exact: true }).innerText(), /^<img src="http[^"]+uptime\.svg" alt="Uptime of /);
  await dialog.getByRole("button", { name: "New address…" }).click();
  await dialog.getByRole("button", { name: "New address", exact: true }).click();
  await markdown.waitFor();
  assert.ok(!(await markdown.innerText()).includes(address.split("/").at(-2)), "the address is the one before");
  await dialog.getByRole("button", { name: "Revoke…" }).click();
  await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
  await dialog.getByRole("button", { name: "Make a badge" }).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await stranger.close();
  step("its address is changed, and it is revoked");
}
