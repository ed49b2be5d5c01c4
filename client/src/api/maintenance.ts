import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lookForMaintenance } from "@/live/useUptimeStream";
import { answer, client } from "./client";
import type { Draft, MaintenanceWindow } from "./types";

const windowsKey = ["maintenance-windows"] as const;

export function useGetMaintenanceWindows() {
  return useQuery({
    queryKey: windowsKey,
    queryFn: async ({ signal }): Promise<MaintenanceWindow[]> => (await answer(client.GET("/api/uptime/maintenance-windows", { signal }))).maintenance_windows,
    refetchInterval: 30_000,
  });
}

function useAfterwards() {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: windowsKey });
    // Monitors come into windows and leave them by this.
    void lookForMaintenance(queries);
    void queries.invalidateQueries({ queryKey: ["monitor"] });
  };
}

/** Adds a window, or changes the one that was read, if nobody else has since. */
export function useChangeMaintenanceWindow() {
  return useMutation({
    mutationFn: ({ draft, window }: { draft: Draft<MaintenanceWindow>; window?: MaintenanceWindow }) => {
      const body = draft as MaintenanceWindow;
      if (!window) return answer<MaintenanceWindow>(client.POST("/api/uptime/maintenance-windows", { body }));
      return answer<MaintenanceWindow>(client.PATCH("/api/uptime/maintenance-windows/{id}", { params: { path: { id: window.id } }, headers: { "If-Match": `"v${window.version}"` }, body }));
    },
    onSuccess: useAfterwards(),
  });
}

/** Ends a window, or calls it off before it begins. */
export function useEndMaintenanceWindow() {
  return useMutation({ mutationFn: (id: number) => answer(client.DELETE("/api/uptime/maintenance-windows/{id}", { params: { path: { id } } })), onSuccess: useAfterwards() });
}
