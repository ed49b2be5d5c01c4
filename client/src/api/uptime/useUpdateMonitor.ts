import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Draft, Monitor } from "../types";
import { resultsKey } from "./events";
import { updateMonitor } from "./monitors";
import { putMonitor } from "./putMonitor";

export function useUpdateMonitor() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draft, version }: { id: number; draft: Draft<Monitor>; version?: number }) => updateMonitor(id, draft, version),
    onSuccess: (monitor) => {
      putMonitor(queries, monitor);
      void queries.invalidateQueries({ queryKey: resultsKey(monitor.id) });
    },
  });
}
