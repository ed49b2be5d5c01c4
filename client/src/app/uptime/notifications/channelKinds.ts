// The kinds of channels and what each needs, as docs/channels.md has it. What is not here can be set over the REST interface.

export interface ConfigField { name: string; label: string; secret?: boolean; optional?: boolean; hint?: string; kind?: "list" | "number" | "pem"; oneOf?: [value: string, word: string][] }

const url = (hint?: string): ConfigField => ({ name: "url", label: "Webhook URL", secret: true, hint });

export const channelKinds: Record<string, { word: string; fields: ConfigField[] }> = {
  webhook: { word: "Webhook", fields: [{ name: "url", label: "URL" }, { name: "secret", label: "Secret", secret: true, optional: true, hint: "whsec_…; made if it is left empty." }] },
  email: {
    word: "E-mail",
    fields: [
      { name: "to", label: "To", kind: "list", hint: "Separated by commas." }, { name: "from", label: "From" }, { name: "host", label: "Mail server" },
      { name: "port", label: "Port", kind: "number", optional: true, hint: "587 if left empty." },
      { name: "security", label: "Security", optional: true, oneOf: [["", "STARTTLS"], ["tls", "TLS from the first byte"], ["opportunistic", "STARTTLS if there is any"], ["none", "None"]] }, { name: "username", label: "User name", optional: true }, { name: "password", label: "Password", secret: true, optional: true },
      { name: "trusted_cas", label: "Authorities", kind: "pem", optional: true, hint: "Certificates in PEM that are trusted in place of the system's, for a server with a private authority." },
    ],
  },
  slack: { word: "Slack", fields: [url("Incoming webhook of an app.")] },
  discord: { word: "Discord", fields: [url("Channel settings, Integrations.")] },
  msteams: { word: "Microsoft Teams", fields: [url("Of a workflow for webhook requests.")] },
  google_chat: { word: "Google Chat", fields: [url()] },
  mattermost: { word: "Mattermost", fields: [url()] },
  telegram: { word: "Telegram", fields: [{ name: "token", label: "Bot token", secret: true }, { name: "chat_id", label: "Chat", hint: "Its number, or @ and the channel's name." }] },
  ntfy: { word: "ntfy", fields: [{ name: "topic", label: "Topic", secret: true }, { name: "base_url", label: "Server", optional: true, hint: "https://ntfy.sh if left empty." }, { name: "token", label: "Token", secret: true, optional: true }] },
  gotify: { word: "Gotify", fields: [{ name: "base_url", label: "Server" }, { name: "token", label: "Application token", secret: true }] },
  pushover: { word: "Pushover", fields: [{ name: "token", label: "Application token", secret: true }, { name: "user", label: "User or group key", secret: true }] },
  matrix: { word: "Matrix", fields: [{ name: "homeserver", label: "Homeserver URL" }, { name: "access_token", label: "Access token", secret: true }, { name: "room_id", label: "Room id", hint: "Begins with !" }] },
  pagerduty: { word: "PagerDuty", fields: [{ name: "routing_key", label: "Integration key", secret: true }] },
  opsgenie: { word: "Opsgenie", fields: [{ name: "api_key", label: "API key", secret: true }, { name: "base_url", label: "Server", optional: true }] },
  twilio_sms: { word: "Text message (Twilio)", fields: [{ name: "account_sid", label: "Account SID" }, { name: "auth_token", label: "Auth token", secret: true }, { name: "to", label: "To" }, { name: "from", label: "From" }] },
  shoutrrr: { word: "Another service (shoutrrr)", fields: [{ name: "url", label: "URL of the service", secret: true, hint: "As shoutrrr writes it: bark://:key@api.day.app" }] },
};

/** Kinds that can be chosen, of those that the server takes; until it has said so, those that all take. */
export function offeredKinds(types: readonly string[] | undefined) {
  return Object.entries(channelKinds).filter(([type]) => (types ? types.includes(type) : type !== "shoutrrr"));
}

type Config = Readonly<Record<string, unknown>>;

const typedText = (value: unknown) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : String(value));

/** Whether a secret is stored, which is never shown. */
export function isStored(base: Config | null | undefined, name: string): boolean {
  return base?.[name] === "***" || base?.[`has_${name}`] === true;
}

/** What the fields of a stored configuration show. Secrets show nothing. */
export function toTyped(type: string, base: Config | null | undefined): Record<string, string> {
  return Object.fromEntries((channelKinds[type]?.fields ?? []).map((f) => {
    const value = base?.[f.name];
    const text = f.secret ? "" : f.kind === "pem" && Array.isArray(value) ? value.join("\n") : typedText(value);
    // The first choice is what holds when nothing is given, and that may be written out too.
    return [f.name, f.oneOf && !f.oneOf.some(([value]) => value === text) ? "" : text];
  }));
}

/** Names of settings that are stored and that the form has no field for. */
export function otherSettings(type: string, base: Config | null | undefined): string[] {
  const known = new Set((channelKinds[type]?.fields ?? []).flatMap((f) => [f.name, `has_${f.name}`]));
  return Object.entries(base ?? {}).flatMap(([name, value]) => (known.has(name) || value === null || (typeof value === "object" && Object.keys(value).length === 0) ? [] : [name]));
}

/**
 * Makes a channel's configuration of what was typed; what was left empty is left out. Of one that is changed, base, an empty secret
 * keeps what is stored, and an empty setting takes away what was there.
 */
export function toConfig(type: string, typed: Readonly<Record<string, string>>, base?: Config | null): Record<string, unknown> {
  return Object.fromEntries((channelKinds[type]?.fields ?? []).flatMap((f): [string, unknown][] => {
    const value = (typed[f.name] ?? "").trim();
    if (!value) return !f.secret && typedText(base?.[f.name]) ? [[f.name, null]] : [];
    if (f.kind === "pem") return [[f.name, [value]]];
    if (f.kind === "list") return [[f.name, value.split(",").map((v) => v.trim()).filter(Boolean)]];
    return [[f.name, f.kind === "number" && /^\d+$/.test(value) ? Number(value) : value]];
  }));
}
