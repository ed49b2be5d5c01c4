import { useQuery } from "@tanstack/react-query";
import { fetchMonitors, monitorsKey } from "./monitors";

const MINUTE = 60_000;

/**
 * Every monitor of the organization. States come over the stream; the list is read again only for what the stream does not
 * tell, such as uptime figures, and the longer it is the more rarely.
 */
export function useGetMonitors() {
  return useQuery({
    queryKey: monitorsKey,
    queryFn: ({ signal }) => fetchMonitors(signal),
    staleTime: MINUTE,
    refetchInterval: (query) => ((query.state.data?.length ?? 0) > 1000 ? 5 * MINUTE : MINUTE),
  });
}
