import { useQuery } from "@tanstack/react-query";
import { fetchStatus, resultsKey } from "./events";

export function useGetMonitorStatus(id: number) {
  return useQuery({ queryKey: [...resultsKey(id), "status"], queryFn: ({ signal }) => fetchStatus(id, signal), refetchInterval: 60_000 });
}
