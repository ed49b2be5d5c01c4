import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { fetchStats, resultsKey, type StatsAsk } from "./events";

// What was between two moments of the past is asked for anew less often than what ends now.
const pace = (ask: StatsAsk) => ({ staleTime: ask.preset ? 0 : 60_000, refetchInterval: ask.preset ? 60_000 : 300_000 });

const statsQuery = (id: number, ask: StatsAsk, region: string | undefined) => ({
  queryKey: [...resultsKey(id), "stats", ask.preset ?? [ask.from, ask.to], region ?? ""],
  queryFn: ({ signal }: { signal: AbortSignal }) => fetchStats(id, ask, region, signal),
  ...pace(ask),
});

/** Figures of a stretch of time, from everywhere or from one region. */
export function useGetMonitorStats(id: number, ask: StatsAsk, region?: string) {
  return useQuery({ ...statsQuery(id, ask, region), placeholderData: keepPreviousData });
}

/** The same of each region by itself, in their order. */
export function useGetRegionStats(id: number, regions: readonly string[], ask: StatsAsk) {
  return useQueries({
    queries: regions.map((region) => statsQuery(id, ask, region)),
    combine: (all) => ({ stats: all.map((q) => q.data), error: all.find((q) => q.error)?.error ?? null, pending: all.some((q) => q.isPending) }),
  });
}
