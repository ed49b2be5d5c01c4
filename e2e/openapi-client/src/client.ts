// A program as a user would write it against the generated types. That it compiles shows
// that the document describes the surface; that it runs shows that the description is true.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Monitor = components["schemas"]["Monitor"];
type Event = components["schemas"]["Event"];

declare const process: { argv: string[]; exitCode: number };

const [base = "", key = "", target = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${key}` } });

function must<T>(answer: { data?: T; error?: components["schemas"]["Error"]; response: Response }): T {
  if (answer.data === undefined) {
    const { error, response } = answer;
    throw new Error(`${response.status}: ${error?.error} ${JSON.stringify(error?.details)}`);
  }
  return answer.data;
}

async function watch(url: string): Promise<Monitor> {
  const body: Monitor = {
    name: "from TypeScript",
    monitor_type: "http",
    interval_seconds: 60,
    http_config: { url, method: "GET", auth: { type: "bearer", credentials: { token: "t" } } },
    validation_rules: [{ type: "status_code", operator: "in", value: [200, 204] }],
    labels: { team: "web" },
    dns_config: { max_ttl_seconds: 30 },
  };
  return must(
    await client.POST("/api/uptime/monitors", { body, params: { header: { "Idempotency-Key": "typescript-1" } } }),
  );
}

async function firstResult(id: number): Promise<Event> {
  for (let tries = 0; tries < 100; tries++) {
    const page = must(
      await client.GET("/api/uptime/monitors/{monitor_id}/events", {
        params: { path: { monitor_id: id }, query: { limit: 1, status: ["success", "failure"] } },
      }),
    );
    const first = page.events?.[0];
    if (first !== undefined) {
      return first;
    }
    await new Promise((resume) => setTimeout(resume, 100));
  }
  throw new Error("no result within 10 s");
}

async function main(): Promise<void> {
  const monitor = await watch(target);
  const id: number = monitor.id ?? 0;
  const event = await firstResult(id);
  const milliseconds: number | undefined = event.response_time_ms;
  const code: number | null | undefined = event.status_code;

  const listed: Monitor[] = must(
    await client.GET("/api/uptime/monitors", { params: { query: { enabled: true, monitor_type: "http", label: ["team=web"] } } }),
  );
  const stats = must(
    await client.GET("/api/uptime/monitors/{monitor_id}/stats", { params: { path: { monitor_id: id }, query: { period: "24h" } } }),
  );
  const p95: number | null | undefined = stats.response_time?.p95;
  const renamed = must(
    await client.PATCH("/api/uptime/monitors/{id}", { params: { path: { id } }, body: { name: "renamed" } }),
  );
  const alert = must(
    await client.POST("/api/uptime/monitors/{monitor_id}/alerts", {
      params: { path: { monitor_id: id } },
      body: { alert_type: "webhook", alert_config: { url: target }, conditions: { consecutive_failures: 3 } },
    }),
  );
  const channel = must(
    await client.POST("/api/uptime/notification-channels", {
      body: { type: "webhook", name: "operators", config: { url: target }, trigger_events: ["operator"] },
    }),
  );
  const enrolment = must(await client.POST("/api/uptime/probers", { body: { id: "typed", region: "eu", valid_seconds: 60 } }));
  const removed = await client.DELETE("/api/uptime/probers/{id}", { params: { path: { id: enrolment.id ?? "" } } });
  const probers = must(await client.GET("/api/uptime/probers", {})).probers ?? [];
  const health: "healthy" | "impaired" | "offline" | "removed" | null | undefined = probers[0]?.health;
  const notices = must(await client.GET("/api/uptime/notices", { params: { query: { open: true, limit: 10 } } })).notices ?? [];
  const refused = await client.POST("/api/uptime/monitors", { body: { name: "" } });
  const field: string | undefined = refused.error?.details?.[0]?.field;
  await client.DELETE("/api/uptime/monitors/{id}", { params: { path: { id } } });

  console.log(
    JSON.stringify({
      id, status: event.status, code, milliseconds, listed: listed.length, p95: p95 ?? null, name: renamed.name,
      alert: alert.id, channel: channel.trigger_events, token: enrolment.token?.startsWith("upt_join_"), removed: removed.response.status,
      health, notices: notices.length, ttl: monitor.dns_config?.max_ttl_seconds, field, incidents: must(await client.GET("/api/uptime/incidents", {})).incidents?.length,
    }),
  );
}

// A field with a list of choices can still be null, which means that it was not given.
export const unsaid: Monitor = { http_config: { method: null } };

// What the document does not allow does not compile.
export async function mistakes(): Promise<void> {
  // @ts-expect-error there is no such path
  await client.GET("/api/uptime/pigeons", {});
  // @ts-expect-error there is no such kind of monitor
  await client.GET("/api/uptime/monitors", { params: { query: { monitor_type: "pigeon" } } });
  // @ts-expect-error the identifier is a number
  await client.GET("/api/uptime/monitors/{id}", { params: { path: { id: "seven" } } });
  // @ts-expect-error the interval is a number
  await client.POST("/api/uptime/monitors", { body: { interval_seconds: "often" } });
  // @ts-expect-error there is no such state
  await client.GET("/api/uptime/monitors", { params: { query: { status: "forgotten" } } });
  // @ts-expect-error there is no such period
  await client.GET("/api/uptime/monitors/{monitor_id}/stats", { params: { path: { monitor_id: 1 }, query: { period: "fortnight" } } });
  // @ts-expect-error there is no such state of an incident
  await client.GET("/api/uptime/incidents", { params: { query: { status: "forgiven" } } });
  // @ts-expect-error there is no such method
  await client.POST("/api/uptime/monitors", { body: { http_config: { method: "FETCH" } } });
  // @ts-expect-error there is no such event
  await client.POST("/api/uptime/notification-channels", { body: { trigger_events: ["operators"] } });
  // @ts-expect-error a prober's identifier is a text
  await client.DELETE("/api/uptime/probers/{id}", { params: { path: { id: 7 } } });
  // @ts-expect-error that is not asked of notices
  await client.GET("/api/uptime/notices", { params: { query: { open: "perhaps" } } });
  // @ts-expect-error there are months, but not for these buckets
  await client.GET("/api/uptime/monitors/{monitor_id}/buckets", { params: { path: { monitor_id: 1 }, query: { bucket: "month" } } });
}

main().catch((e: unknown) => {
  console.error(e);
  process.exitCode = 1;
});
