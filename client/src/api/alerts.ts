import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Alert, BacktestResponse, BacktestWindow, Draft } from "./types";

const alertsKey = (monitorId: number) => ["alerts", monitorId] as const;

export function useGetAlerts(monitorId: number) {
  return useQuery({
    queryKey: alertsKey(monitorId),
    queryFn: ({ signal }) => answer<Alert[]>(client.GET("/api/uptime/monitors/{monitor_id}/alerts", { params: { path: { monitor_id: monitorId } }, signal })),
  });
}

export type AlertChange = { kind: "create"; draft: Draft<Alert> } | { kind: "update"; id: number; draft: Draft<Alert> } | { kind: "delete"; id: number };

export function useChangeAlert(monitorId: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (change: AlertChange): Promise<Alert | undefined> => {
      if (change.kind === "create") return answer<Alert>(client.POST("/api/uptime/monitors/{monitor_id}/alerts", { params: { path: { monitor_id: monitorId } }, body: change.draft as Alert }));
      const params = { path: { monitor_id: monitorId, alert_id: change.id } };
      if (change.kind === "delete") return answer(client.DELETE("/api/uptime/monitors/{monitor_id}/alerts/{alert_id}", { params }));
      return answer<Alert>(client.PUT("/api/uptime/monitors/{monitor_id}/alerts/{alert_id}", { params, body: change.draft as Alert }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: alertsKey(monitorId) }),
  });
}

export function useTestAlert(monitorId: number) {
  return useMutation({ mutationFn: (id: number) => answer(client.POST("/api/uptime/monitors/{monitor_id}/alerts/{alert_id}/test", { params: { path: { monitor_id: monitorId, alert_id: id } } })) });
}

/** Replays what is stored of a monitor through a rule that is not saved. */
export function useBacktest() {
  return useMutation({
    mutationFn: ({ monitorId, alertId, conditions, days, quorum, window }: { monitorId: number; alertId?: number; conditions: Partial<NonNullable<Alert["conditions"]>>; days: number; quorum?: string; window?: Draft<BacktestWindow> }) =>
      answer<BacktestResponse>(client.POST("/api/uptime/alerts:backtest", {
        body: { monitor_id: monitorId, ...(alertId ? { alert_id: alertId } : {}), ...(quorum ? { quorum } : {}), ...(window ? { maintenance_window: window } : {}), conditions, start_date: new Date(Date.now() - days * 86_400_000).toISOString() } as never,
      })),
  });
}
