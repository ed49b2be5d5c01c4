import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Monitor } from "../types";
import { resultsKey } from "./events";
import { deletedMonitors, deleteMonitor, monitorKey, monitorsKey } from "./monitors";

export function useDeleteMonitor() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => deleteMonitor(id),
    onMutate: (id) => { deletedMonitors.add(id); },
    onError: (_, id) => { deletedMonitors.delete(id); },
    onSuccess: (_, id) => {
      queries.setQueryData<Monitor[]>(monitorsKey, (all) => all?.filter((m) => m.id !== id));
      // What the page that it is deleted on still shows would be asked for again, and is gone; it goes when that page is left.
      for (const queryKey of [monitorKey(id), resultsKey(id)]) queries.removeQueries({ queryKey, type: "inactive" });
    },
  });
}
