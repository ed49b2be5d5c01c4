import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Monitor } from "../types";
import { fetchMonitor, monitorKey, monitorsKey } from "./monitors";

/** One monitor, at once if the list knows it. */
export function useGetMonitor(id: number) {
  const queries = useQueryClient();
  return useQuery<Monitor>({
    queryKey: monitorKey(id),
    queryFn: ({ signal }) => fetchMonitor(id, signal),
    refetchInterval: 60_000,
    placeholderData: () => queries.getQueryData<Monitor[]>(monitorsKey)?.find((m) => m.id === id),
  });
}
