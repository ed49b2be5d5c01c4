// The REST interface as this page uses it.

/** What the server says is wrong: a text, and messages by field. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.error || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code;
    this.fields = new Map((body?.details ?? []).map((d) => [d.field, d.message]));
    this.requestId = body?.request_id;
  }
}

async function send(method, path, body, headers = {}) {
  const init = { method, headers: { Accept: "application/json", ...headers }, credentials: "same-origin" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Refusal(0, { error: "The server cannot be reached." });
  }
  const text = await response.text();
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    throw new Refusal(response.status, { error: `The server answered ${response.status} with something that is not JSON.` });
  }
  if (!response.ok) throw new Refusal(response.status, parsed);
  return { data: parsed, headers: response.headers };
}

const get = async (path) => (await send("GET", path)).data;
const post = async (path, body) => (await send("POST", path, body)).data;

export const api = {
  needsSetup: async () => (await get("/api/auth/setup")).needs_setup,
  setUp: (body) => post("/api/auth/setup", body),
  signIn: (body) => post("/api/auth/login", body),
  signOut: () => post("/api/auth/logout"),
  session: () => get("/api/auth/session"),

  async monitors(pageToken) {
    const query = new URLSearchParams({ page_size: "100" });
    if (pageToken) query.set("page_token", pageToken);
    const { data, headers } = await send("GET", `/api/uptime/monitors?${query}`);
    return { monitors: data, next: headers.get("X-Next-Page-Token") };
  },
  monitor: (id) => get(`/api/uptime/monitors/${id}`),
  create: (body) => post("/api/uptime/monitors", body),
  change: async (id, body) => (await send("PATCH", `/api/uptime/monitors/${id}`, body)).data,
  remove: (id) => send("DELETE", `/api/uptime/monitors/${id}`),
  checkNow: (id) => post(`/api/uptime/monitors/${id}/check`, {}),
  tryOut: (body) => post("/api/uptime/monitors/test", body),
  events: async (id, limit) => (await get(`/api/uptime/monitors/${id}/events?limit=${limit}`)).events,
  stats: (id) => get(`/api/uptime/monitors/${id}/stats?period=24h`),
  status: (id) => get(`/api/uptime/monitors/${id}/status`),
};

/**
 * Follows what happens. The browser comes back by itself with the id of the last event; only when the server refuses
 * (signed out, say) does it give up, and then lost is called.
 */
export function follow({ opened, status, result, reset, waiting, lost }) {
  const source = new EventSource("/api/uptime/stream");
  source.addEventListener("open", opened);
  source.addEventListener("status", (e) => status(JSON.parse(e.data)));
  source.addEventListener("result", (e) => result(JSON.parse(e.data)));
  source.addEventListener("reset", reset);
  source.addEventListener("error", () => (source.readyState === EventSource.CLOSED ? lost() : waiting()));
  return () => source.close();
}
