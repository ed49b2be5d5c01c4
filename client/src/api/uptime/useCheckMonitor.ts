import { useMutation, useQueryClient } from "@tanstack/react-query";
import { resultsKey } from "./events";
import { checkMonitor, monitorKey } from "./monitors";

/** Runs a check now. Its result reaches the history a moment later, as every other does. */
export function useCheckMonitor() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => checkMonitor(id),
    onSuccess: (_, id) => {
      setTimeout(() => {
        void queries.invalidateQueries({ queryKey: resultsKey(id) });
        void queries.invalidateQueries({ queryKey: monitorKey(id) });
      }, 1000);
    },
  });
}
