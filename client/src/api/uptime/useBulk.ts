import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import type { Draft, Monitor } from "../types";
import { resultsKey } from "./events";
import { deletedMonitors, deleteMonitor, monitorKey, monitorsKey, updateMonitor } from "./monitors";
import { putMonitor } from "./putMonitor";

/** Ways to change one monitor of many; each puts what it did where the list looks for it. */
export function useBulk() {
  const queries = useQueryClient();
  const update = useCallback(async (id: number, draft: Draft<Monitor>, version?: number) => {
    putMonitor(queries, await updateMonitor(id, draft, version));
    void queries.invalidateQueries({ queryKey: resultsKey(id) });
  }, [queries]);
  const remove = useCallback(async (id: number) => {
    deletedMonitors.add(id);
    try {
      await deleteMonitor(id);
    } catch (error) {
      deletedMonitors.delete(id);
      throw error;
    }
    queries.setQueryData<Monitor[]>(monitorsKey, (all) => all?.filter((m) => m.id !== id));
    for (const queryKey of [monitorKey(id), resultsKey(id)]) queries.removeQueries({ queryKey, type: "inactive" });
  }, [queries]);
  return { update, remove };
}
