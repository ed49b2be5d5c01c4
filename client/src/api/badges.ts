import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Badge } from "./types";

const badgeKey = (id: number) => ["badge", id] as const;

/** The badge of a monitor; its token is null while there is none. */
export function useGetBadge(id: number) {
  return useQuery({
    queryKey: badgeKey(id),
    queryFn: ({ signal }) => answer<Badge>(client.GET("/api/uptime/monitors/{monitor_id}/badge", { params: { path: { monitor_id: id } }, signal })),
  });
}

/** Makes a token, in place of the one there may be. */
export function useMakeBadge(id: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer<Badge>(client.POST("/api/uptime/monitors/{monitor_id}/badge", { params: { path: { monitor_id: id } }, body: {} as never })),
    onSuccess: (badge) => queries.setQueryData(badgeKey(id), badge),
  });
}

/** Takes the token away: pages that show the badge show none from then on. */
export function useRevokeBadge(id: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(client.DELETE("/api/uptime/monitors/{monitor_id}/badge", { params: { path: { monitor_id: id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: badgeKey(id) }),
  });
}
