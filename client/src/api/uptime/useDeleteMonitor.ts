import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Monitor } from "../types";
import { resultsKey } from "./events";
import { deleteMonitor, monitorKey, monitorsKey } from "./monitors";

export function useDeleteMonitor() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => deleteMonitor(id),
    onSuccess: (_, id) => {
      queries.setQueryData<Monitor[]>(monitorsKey, (all) => all?.filter((m) => m.id !== id));
      queries.removeQueries({ queryKey: monitorKey(id) });
      queries.removeQueries({ queryKey: resultsKey(id) });
    },
  });
}
