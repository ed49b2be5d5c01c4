import { useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Notice } from "./types";

/** Troubles of this installation itself that last now. */
export function useOpenNotices() {
  return useQuery({
    queryKey: ["notices"],
    queryFn: async ({ signal }): Promise<Notice[]> => (await answer(client.GET("/api/uptime/notices", { params: { query: { open: true, limit: 20 } }, signal }))).notices,
    refetchInterval: 30_000,
    retry: false,
  });
}
