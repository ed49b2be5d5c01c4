import { useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Notice } from "./types";

const AGAIN = 30_000;

async function read(query: { open?: boolean; limit: number }, signal: AbortSignal): Promise<Notice[]> {
  return (await answer(client.GET("/api/uptime/notices", { params: { query }, signal }))).notices;
}

/** Troubles of this installation itself that last now, which only administrators are told. */
export function useOpenNotices(enabled: boolean) {
  return useQuery({ queryKey: ["notices", "open"], enabled, queryFn: ({ signal }) => read({ open: true, limit: 20 }, signal), refetchInterval: AGAIN, retry: false });
}

/** How many notices are read at most. */
export const NOTICE_LIMIT = 1000;

/** All troubles that are still remembered, newest first. */
export function useGetNotices(enabled: boolean) {
  return useQuery({ queryKey: ["notices", "all"], enabled, queryFn: ({ signal }) => read({ limit: NOTICE_LIMIT }, signal), refetchInterval: AGAIN });
}
