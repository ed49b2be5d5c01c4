// Who changed what, and where one is signed in.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { AuditEntry, Session } from "./types";

export const AUDIT_PAGE = 100;

async function read(before: string | undefined, limit: number, signal?: AbortSignal): Promise<AuditEntry[]> {
  return (await answer(client.GET("/api/uptime/audit", { params: { query: { before, limit } }, signal }))).entries;
}

/** Changes, newest first, a page at a time. */
export function useGetAudit() {
  return useInfiniteQuery({
    queryKey: ["audit"],
    staleTime: 0,
    queryFn: async ({ pageParam, signal }): Promise<{ entries: AuditEntry[]; next: string | undefined }> => {
      const entries = await read(pageParam, AUDIT_PAGE, signal);
      const last = entries.at(-1)?.at ?? undefined;
      // A page that is not full says nothing: entries of one moment are left to the next one as a whole.
      const more = last !== undefined && (entries.length === AUDIT_PAGE || (await read(last, 1, signal)).length > 0);
      return { entries, next: more ? last : undefined };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
  });
}

const sessionsKey = ["sessions"] as const;

/** Where the user is signed in. */
export function useGetSessions() {
  return useQuery({ queryKey: sessionsKey, staleTime: 0, queryFn: async ({ signal }): Promise<Session[]> => (await answer(client.GET("/api/auth/sessions", { signal }))).sessions });
}

export function useRevokeSession() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => answer(client.DELETE("/api/auth/sessions/{id}", { params: { path: { id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: sessionsKey }),
  });
}
