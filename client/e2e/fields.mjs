// What is wrong is said at the field that it is wrong in, each field by itself.
import assert from "node:assert/strict";
import { step } from "./inspect.mjs";

const long = "x".repeat(201);

// For each kind, what is typed into which field, by its label.
const wrong = {
  "Web address": [["URL", "ftp://nowhere", { alone: true }], ["Name", long], ["Expected status codes", "2xx"], ["Slow above … ms", "0"], ["Give up after … ms", "soon"], ["Check every … seconds", "86401"],
    ["Down after … failures", "0"], ["Up after … successes", "101"], ["Headers", "no colon here"], ["Labels", "two words=x", { alone: true }]],
  Port: [["Host", "http://db.example.com", { alone: true }], ["Port", "65536"]],
  Certificate: [["Host", "two words", { alone: true }], ["Port", "0"], ["Fails when it expires within … days", "0"]],
};

const right = { "Web address": [["URL", "https://example.com/"]], Port: [["Host", "db.example.com"], ["Port", "5432"]], Certificate: [["Host", "example.com"]] };

/** The control with a label, which some that are not it begin alike. */
const control = (page, label) => page.getByRole("textbox", { name: label, exact: true }).or(page.getByLabel(label, { exact: true })).first();

async function refused(page, label) {
  const field = control(page, label);
  await page.waitForFunction(([e]) => e.getAttribute("aria-invalid") === "true", [await field.elementHandle()]);
  const said = await field.evaluate((e) => document.getElementById(e.getAttribute("aria-describedby")?.split(" ").at(-1) ?? "")?.textContent ?? "");
  assert.ok(said.length > 3, `nothing is said at ${label}`);
}

async function begin(page, url, kind) {
  await page.goto(`${url}/uptime/create`);
  await page.getByRole("radio", { name: new RegExp(kind) }).check();
  for (const [label, value] of right[kind]) await control(page, label).fill(value);
  const request = page.locator("summary").filter({ hasText: "Request" });
  if (await request.count()) await request.click();
}

/** Types something wrong into every field of a monitor's form: what the form itself knows, all at once; what only the server knows, one by one. */
export async function everyFieldSaysWhatIsWrong(page, url) {
  for (const [kind, fields] of Object.entries(wrong)) {
    await begin(page, url, kind);
    const own = fields.filter(([, , o]) => !o?.alone);
    for (const [label, value] of own) await control(page, label).fill(value);
    await page.getByRole("button", { name: "Add monitor" }).click();
    for (const [label] of own) await refused(page, label);
    await page.getByText("Something above is not right yet").waitFor();
    for (const [label, value] of fields.filter(([, , o]) => o?.alone)) {
      await begin(page, url, kind);
      await control(page, label).fill(value);
      await page.getByRole("button", { name: "Add monitor" }).click();
      await refused(page, label);
    }
  }
  assert.equal(new URL(page.url()).pathname, "/uptime/create");
  step("each field of each kind says by itself what is wrong in it");
}
