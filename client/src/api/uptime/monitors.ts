// What is watched: reading, changing, trying out.
import { answer, answerWithHeaders, client } from "../client";
import type { CheckEvent, CurrentStatus, Draft, Monitor } from "../types";

const PAGE_SIZE = 1000;
// So many fill a screen, and are there at once; whoever has no more has them all.
const FIRST_PAGE = 100;

/** Where the list of all monitors is kept. */
export const monitorsKey = ["monitors"] as const;

/** Where the first of a long list are kept until all are there. */
export const firstMonitorsKey = ["first monitors"] as const;

/** Where one monitor is kept. */
export const monitorKey = (id: number) => ["monitor", id] as const;

/** Monitors that were deleted from here: the stream may still tell of their last checks, and nobody has them any more. */
export const deletedMonitors = new Set<number>();

async function fetchPage(size: number, pageToken: string | undefined, status: CurrentStatus | undefined, signal?: AbortSignal) {
  const { data, headers } = await answerWithHeaders<Monitor[]>(
    client.GET("/api/uptime/monitors", { params: { query: { page_size: size, page_token: pageToken, status } }, signal }),
  );
  return { monitors: data, next: headers.get("X-Next-Page-Token") ?? undefined };
}

/** Reads every monitor of the organization, page by page. onFirst gets the first of a long list. */
export async function fetchMonitors(signal?: AbortSignal, status?: CurrentStatus, onFirst?: (first: Monitor[]) => void): Promise<Monitor[]> {
  let page = await fetchPage(FIRST_PAGE, undefined, status, signal);
  const all = page.monitors;
  if (page.next) onFirst?.([...all]);
  while (page.next) {
    page = await fetchPage(PAGE_SIZE, page.next, status, signal);
    all.push(...page.monitors);
  }
  return all;
}

export function fetchMonitor(id: number, signal?: AbortSignal): Promise<Monitor> {
  return answer<Monitor>(client.GET("/api/uptime/monitors/{id}", { params: { path: { id } }, signal }));
}

/** Creates a monitor. The key makes a second sending of the same form harmless. */
export function createMonitor(draft: Draft<Monitor>, idempotencyKey: string): Promise<Monitor> {
  return answer<Monitor>(
    client.POST("/api/uptime/monitors", { params: { header: { "Idempotency-Key": idempotencyKey } }, body: draft as Monitor }),
  );
}

/** Changes the fields that draft holds. With version, only if nobody changed the monitor since. */
export function updateMonitor(id: number, draft: Draft<Monitor>, version?: number): Promise<Monitor> {
  const header = version === undefined ? {} : { "If-Match": `"v${version}"` };
  return answer<Monitor>(client.PATCH("/api/uptime/monitors/{id}", { params: { path: { id }, header }, body: draft as Monitor }));
}

export async function deleteMonitor(id: number): Promise<void> {
  await answer(client.DELETE("/api/uptime/monitors/{id}", { params: { path: { id } } }));
}

/** Checks now, beside the schedule. */
export function checkMonitor(id: number): Promise<CheckEvent> {
  return answer<CheckEvent>(client.POST("/api/uptime/monitors/{id}/check", { params: { path: { id } }, body: {} as never }));
}

/** Checks what is not saved. */
export function testMonitor(draft: Draft<Monitor>): Promise<CheckEvent> {
  return answer<CheckEvent>(client.POST("/api/uptime/monitors/test", { body: draft as Monitor }));
}
