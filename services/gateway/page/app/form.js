// Forms: fields with their errors beside them.
import { el } from "/ui.js";
import { Refusal } from "/api.js";

let count = 0;

/**
 * A labelled field. name is the path by which the server speaks of it; read turns the text into what is sent, undefined
 * meaning that the field is left out.
 */
export function field(name, label, { type = "text", hint, read, options, wide, ...rest } = {}) {
  const id = `field-${++count}`;
  const error = el("p", { class: "error", id: `${id}-error`, hidden: true });
  const help = hint && el("p", { class: "hint", id: `${id}-hint` }, hint);
  const described = [help && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
  const props = { id, name, "aria-describedby": described, ...rest };
  const input = options
    ? el("select", props, options.map(([value, word]) => el("option", { value }, word)))
    : el("input", { type, ...props });
  const box = el("div", { class: wide ? "field wide" : "field" }, el("label", { for: id }, label), input, help, error);
  return {
    name,
    box,
    input,
    value: () => (read ?? ((text) => text))(input.value.trim()),
    complain(message) {
      error.textContent = message ?? "";
      error.hidden = !message;
      if (message) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

/** Reads a whole number, leaves an empty field out, and sends anything else as it is, for the server to say what is wrong. */
export const whole = (text) => (text === "" ? undefined : /^-?\d+$/.test(text) ? Number(text) : text);

/** Leaves an empty field out. */
export const filled = (text) => (text === "" ? undefined : text);

/** A form whose work may fail. What is wrong with no field it has stands above the buttons. */
export function form(fields, children, buttons, submit) {
  const general = el("div", { class: "notice bad", role: "alert", hidden: true });
  const box = el("form", { novalidate: true }, children, general, buttons);
  let busy = false;

  async function run(work) {
    if (busy) return;
    busy = true;
    box.setAttribute("aria-busy", "true");
    fields.forEach((f) => f.complain(null));
    general.hidden = true;
    try {
      await work();
    } catch (err) {
      show(err);
    } finally {
      busy = false;
      box.removeAttribute("aria-busy");
    }
  }

  function show(err) {
    if (!(err instanceof Refusal)) throw err;
    const rest = [];
    let first = null;
    for (const [name, message] of err.fields) {
      const f = fields.find((candidate) => candidate.name === name || name.startsWith(`${candidate.name}[`));
      if (!f) {
        rest.push(name ? `${name}: ${message}` : message);
        continue;
      }
      f.complain(message);
      first ??= f;
    }
    if (!first || rest.length > 0) {
      general.replaceChildren(...(rest.length > 0 ? rest : [err.message]).map((text) => el("p", {}, text)));
      general.hidden = false;
    }
    const holder = first?.box.closest("details");
    if (holder) holder.open = true;
    first?.input.focus();
  }

  box.addEventListener("submit", (event) => {
    event.preventDefault();
    run(submit);
  });
  return { box, run };
}

/** The button that submits. */
export const submitButton = (word) => el("button", { type: "submit", class: "button main" }, word);
