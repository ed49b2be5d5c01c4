// Where people are told, and what became of it.
import { queryOptions, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Channel, Delivery, DeliveryState, Draft } from "./types";

const channelsKey = ["channels"] as const;
const deliveriesKey = ["deliveries"] as const;

const channelsQuery = queryOptions({ queryKey: channelsKey, queryFn: ({ signal }) => answer(client.GET("/api/uptime/notification-channels", { signal })) });

export function useGetChannels() {
  return useQuery({ ...channelsQuery, select: (list): Channel[] => list.channels });
}

/** The types that channels and alert rules of this installation may have. */
export function useGetChannelTypes() {
  return useQuery({ ...channelsQuery, select: (list): string[] => list.types });
}

export type ChannelChange = { kind: "create"; draft: Draft<Channel> } | { kind: "update"; id: number; draft: Draft<Channel> } | { kind: "delete"; id: number };

export function useChangeChannel() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (change: ChannelChange): Promise<Channel | undefined> => {
      if (change.kind === "create") return answer<Channel>(client.POST("/api/uptime/notification-channels", { body: change.draft as Channel }));
      const path = { id: change.id };
      if (change.kind === "delete") return answer(client.DELETE("/api/uptime/notification-channels/{id}", { params: { path } }));
      return answer<Channel>(client.PUT("/api/uptime/notification-channels/{id}", { params: { path }, body: change.draft as Channel }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: channelsKey }),
  });
}

/** Sends a message that says that it is a test. */
export function useTestChannel() {
  return useMutation({ mutationFn: (id: number) => answer(client.POST("/api/uptime/notification-channels/{id}/test", { params: { path: { id } } })) });
}

export function useGetDeliveries(state: DeliveryState | undefined) {
  return useInfiniteQuery({
    queryKey: [...deliveriesKey, state ?? "all"],
    queryFn: ({ pageParam, signal }) => answer(client.GET("/api/uptime/deliveries", { params: { query: { state, limit: 50, page_token: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.pagination?.next_page_token || undefined,
    refetchInterval: 20_000,
  });
}

export function useGetAttempts(id: string) {
  return useQuery({ queryKey: [...deliveriesKey, "attempts", id], refetchInterval: 10_000, queryFn: ({ signal }) => answer(client.GET("/api/uptime/deliveries/{id}/attempts", { params: { path: { id } }, signal })) });
}

/** Sends a message again that was given up. */
export function useReplayDelivery() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => answer<Delivery>(client.POST("/api/uptime/deliveries/{id}:replay", { params: { path: { id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: deliveriesKey }),
  });
}
