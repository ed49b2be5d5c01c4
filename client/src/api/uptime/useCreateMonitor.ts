import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Draft, Monitor } from "../types";
import { createMonitor, monitorKey } from "./monitors";
import { putMonitor } from "./putMonitor";

export function useCreateMonitor() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ draft, idempotencyKey }: { draft: Draft<Monitor>; idempotencyKey: string }) => createMonitor(draft, idempotencyKey),
    onSuccess: (monitor) => {
      putMonitor(queries, monitor);
      // Its first check runs at once; what it was answered with does not know of it.
      void queries.invalidateQueries({ queryKey: monitorKey(monitor.id) });
    },
  });
}
