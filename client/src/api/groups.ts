import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Draft, Group } from "./types";

/** What is kept of the groups; the stream has it read anew when a monitor changes its state. */
export const groupsKey = ["groups"] as const;

export function useGetGroups() {
  return useQuery({
    queryKey: groupsKey,
    queryFn: async ({ signal }): Promise<Group[]> => (await answer(client.GET("/api/uptime/groups", { signal }))).groups,
    refetchInterval: 20_000,
  });
}

function useAfterwards() {
  const queries = useQueryClient();
  return () => void queries.invalidateQueries({ queryKey: groupsKey });
}

/** Adds a group, or changes one. */
export function useChangeGroup() {
  return useMutation({
    mutationFn: ({ draft, id }: { draft: Draft<Group>; id?: number }) => {
      const body = draft as Group;
      if (id === undefined) return answer<Group>(client.POST("/api/uptime/groups", { body }));
      return answer<Group>(client.PATCH("/api/uptime/groups/{id}", { params: { path: { id } }, body }));
    },
    onSuccess: useAfterwards(),
  });
}

export function useDeleteGroup() {
  return useMutation({ mutationFn: (id: number) => answer(client.DELETE("/api/uptime/groups/{id}", { params: { path: { id } } })), onSuccess: useAfterwards() });
}
