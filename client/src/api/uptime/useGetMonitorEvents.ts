import { useInfiniteQuery } from "@tanstack/react-query";
import { type EventsFilter, fetchEvents, resultsKey } from "./events";

const PAGE_SIZE = 30;

/** Results, newest first, a page at a time. */
export function useGetMonitorEvents(id: number, filter: EventsFilter) {
  return useInfiniteQuery({
    queryKey: [...resultsKey(id), "events", filter],
    queryFn: ({ pageParam, signal }) => fetchEvents(id, filter, pageParam, PAGE_SIZE, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
}
