import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Monitor } from "../types";
import { fetchMonitors, firstMonitorsKey, monitorsKey } from "./monitors";

const MINUTE = 60_000;

/**
 * Every monitor of the organization. States come over the stream; the list is read again only for what the stream does not
 * tell, such as uptime figures, and the longer it is the more rarely. first are those that are there before the rest of a long
 * list: all that are down, and the newest.
 */
export function useGetMonitors() {
  const queries = useQueryClient();
  const first = useQuery<Monitor[]>({ queryKey: firstMonitorsKey, queryFn: () => [], enabled: false });
  const all = useQuery({
    queryKey: monitorsKey,
    queryFn: ({ signal }) => readAll(queries, signal),
    staleTime: MINUTE,
    refetchInterval: (query) => ((query.state.data?.length ?? 0) > 1000 ? 5 * MINUTE : MINUTE),
    // What is the same is not looked for: comparing ten thousand with every piece of news would cost more than drawing a screen.
    structuralSharing: false,
  });
  return { ...all, first: all.data ? undefined : first.data };
}

function readAll(queries: QueryClient, signal: AbortSignal): Promise<Monitor[]> {
  const known = queries.getQueryData<Monitor[]>(monitorsKey) !== undefined;
  return fetchMonitors(signal, undefined, known ? undefined : (first) => void showFirst(queries, first, signal));
}

/** Shows the first of a long list with all that are down, of which none must be missing where they are counted. */
async function showFirst(queries: QueryClient, first: Monitor[], signal: AbortSignal) {
  try {
    const down = await fetchMonitors(signal, "down");
    const ids = new Set(down.map((m) => m.id));
    if (queries.getQueryData(monitorsKey) === undefined) queries.setQueryData(firstMonitorsKey, [...down, ...first.filter((m) => !ids.has(m.id))]);
  } catch {
    // The whole list is on its way, or says why it is not.
  }
}
