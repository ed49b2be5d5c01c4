import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Incident, IncidentNote, IncidentTimeline } from "./types";

// All that is read of incidents begins with this, so that one word makes it stale: a change of a monitor's state, or of an incident.
const incidentsKey = ["incidents"] as const;

/** Outages, newest first, a page at a time. */
export function useGetIncidents(filter: { status: "open" | "all"; monitorId?: number }, limit = 50) {
  return useInfiniteQuery({
    queryKey: [...incidentsKey, filter, limit],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET("/api/uptime/incidents", { params: { query: { status: filter.status, monitor_id: filter.monitorId, limit, page_token: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.pagination?.next_page_token || undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
}

/** One outage. */
export function useGetIncident(id: number) {
  return useQuery({
    queryKey: [...incidentsKey, "one", id],
    queryFn: ({ signal }) => answer<Incident>(client.GET("/api/uptime/incidents/{id}", { params: { path: { id } }, signal })),
    enabled: !Number.isNaN(id),
    refetchInterval: 60_000,
  });
}

/** What happened in its course. Messages are under way for a while, so it is read again sooner than news would have it. */
export function useGetIncidentTimeline(id: number, open: boolean) {
  return useQuery({
    queryKey: [...incidentsKey, "timeline", id],
    queryFn: ({ signal }) => answer<IncidentTimeline>(client.GET("/api/uptime/incidents/{id}/timeline", { params: { path: { id } }, signal })),
    refetchInterval: open ? 15_000 : 60_000,
  });
}

/** Acknowledging says that somebody cares; it stops neither recovery nor its announcement. */
export function useActOnIncident() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, action, note }: { id: number; action: "acknowledge" | "resolve"; note?: string }) => {
      const request = { params: { path: { id } }, body: { note: note || null } };
      return answer<Incident>(action === "acknowledge" ? client.PATCH("/api/uptime/incidents/{id}/acknowledge", request) : client.PATCH("/api/uptime/incidents/{id}/resolve", request));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: incidentsKey }),
  });
}

/** What people wrote about it, oldest first. */
export function useGetIncidentNotes(incidentId: number) {
  return useQuery({
    queryKey: [...incidentsKey, "notes", incidentId],
    queryFn: async ({ signal }) => (await answer(client.GET("/api/uptime/incidents/{incident_id}/notes", { params: { path: { incident_id: incidentId } }, signal }))).notes as IncidentNote[],
    refetchInterval: 60_000,
  });
}

export type NoteChange = { kind: "create"; text: string } | { kind: "update"; id: number; text: string } | { kind: "delete"; id: number };

export function useChangeNote(incidentId: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (change: NoteChange): Promise<unknown> => {
      if (change.kind === "create") return answer(client.POST("/api/uptime/incidents/{incident_id}/notes", { params: { path: { incident_id: incidentId } }, body: { text: change.text } }));
      const params = { path: { incident_id: incidentId, note_id: change.id } };
      if (change.kind === "delete") return answer(client.DELETE("/api/uptime/incidents/{incident_id}/notes/{note_id}", { params }));
      return answer(client.PUT("/api/uptime/incidents/{incident_id}/notes/{note_id}", { params, body: { text: change.text } }));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: incidentsKey }),
  });
}
