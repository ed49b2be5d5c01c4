import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Incident } from "./types";

/** Outages, newest first, a page at a time. */
export function useGetIncidents(filter: { status: "open" | "all"; monitorId?: number }, limit = 50) {
  return useInfiniteQuery({
    queryKey: ["incidents", filter, limit],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET("/api/uptime/incidents", { params: { query: { status: filter.status, monitor_id: filter.monitorId, limit, page_token: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.pagination?.next_page_token || undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
}

/** Acknowledging says that somebody cares; it stops neither recovery nor its announcement. */
export function useActOnIncident() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, action }: { id: number; action: "acknowledge" | "resolve" }) => {
      const params = { params: { path: { id } } };
      return answer<Incident>(action === "acknowledge" ? client.PATCH("/api/uptime/incidents/{id}/acknowledge", params) : client.PATCH("/api/uptime/incidents/{id}/resolve", params));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["incidents"] }),
  });
}
