import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { fetchStats, resultsKey, type StatsRange } from "./events";

export function useGetMonitorStats(id: number, range: StatsRange) {
  return useQuery({
    queryKey: [...resultsKey(id), "stats", range],
    queryFn: ({ signal }) => fetchStats(id, range, signal),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
}
