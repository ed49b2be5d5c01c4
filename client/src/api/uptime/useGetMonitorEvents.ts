import { useInfiniteQuery } from "@tanstack/react-query";
import type { ResultStatus } from "../types";
import { fetchEvents, resultsKey } from "./events";

const PAGE_SIZE = 30;

/** Results, newest first, a page at a time. */
export function useGetMonitorEvents(id: number, statuses: ResultStatus[]) {
  return useInfiniteQuery({
    queryKey: [...resultsKey(id), "events", statuses],
    queryFn: ({ pageParam, signal }) => fetchEvents(id, statuses, pageParam, PAGE_SIZE, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
}
