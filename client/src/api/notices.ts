import { useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Notice } from "./types";

/** Troubles of this installation itself that last now, which only administrators are told. */
export function useOpenNotices(enabled: boolean) {
  return useQuery({
    queryKey: ["notices"],
    enabled,
    queryFn: async ({ signal }): Promise<Notice[]> => (await answer(client.GET("/api/uptime/notices", { params: { query: { open: true, limit: 20 } }, signal }))).notices,
    refetchInterval: 30_000,
    retry: false,
  });
}
