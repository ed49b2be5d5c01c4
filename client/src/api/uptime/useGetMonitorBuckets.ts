import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { zone } from "@/format/zone";
import { type BucketWidth, fetchBuckets, resultsKey } from "./events";

/** Uptime by hour, day or week. A row of the list asks only while it can be seen, and not while it flies past. */
export function useGetMonitorBuckets(id: number, width: BucketWidth, count: number, enabled = true) {
  return useQuery({
    queryKey: [...resultsKey(id), "buckets", width, count, ...(width === "hour" ? [] : [zone()])],
    queryFn: ({ signal }) => fetchBuckets(id, width, count, signal),
    enabled,
    staleTime: 60_000,
    refetchInterval: 60_000,
    placeholderData: keepPreviousData,
  });
}
