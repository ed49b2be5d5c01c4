// Signing in, and setting up the first owner.
import { el } from "/ui.js";
import { api } from "/api.js";
import { field, filled, form, submitButton } from "/form.js";

function gate(title, text, fields, word, submit) {
  const f = form(fields, [fields.map((x) => x.box)], submitButton(word), submit);
  return el("section", { class: "gate" }, el("h1", {}, title), text && el("p", { class: "quiet" }, text), f.box);
}

/** The form to sign in; done is called when it has worked. */
export function signIn(done) {
  const email = field("email", "E-mail", { type: "email", autocomplete: "username", autofocus: true });
  const password = field("password", "Password", { type: "password", autocomplete: "current-password" });
  password.value = () => password.input.value; // spaces may belong to it
  return gate("Sign in", null, [email, password], "Sign in", async () => {
    await api.signIn({ email: email.value(), password: password.value() });
    done();
  });
}

/** The form behind the one-time link; done is called when the first owner exists and is signed in. */
export function setUp(token, done) {
  const email = field("email", "E-mail", { type: "email", autocomplete: "username", autofocus: true });
  const password = field("password", "Password", { type: "password", autocomplete: "new-password", hint: "At least 10 characters." });
  password.value = () => password.input.value;
  const organization = field("organization_name", "Organization", { hint: "Left empty, it is called “Default”.", read: filled });
  const key = field("token", "Token from the set-up link", { value: token ?? "", autocomplete: "off" });
  return gate("Set up", "Nobody can sign in yet. Create the first owner.", [email, password, organization, key], "Create the owner", async () => {
    await api.setUp({ token: key.value(), email: email.value(), password: password.value(), organization_name: organization.value() });
    done();
  });
}
