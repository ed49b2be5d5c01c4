import { useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";

/** What was found out about the failing checks that an incident began with, oldest first. While it is open more may come in: an
 *  examination takes some seconds. */
export function useGetIncidentEvidence(incidentId: number, open: boolean) {
  return useQuery({
    queryKey: ["incidents", "evidence", incidentId],
    queryFn: ({ signal }) => answer(client.GET("/api/uptime/incidents/{incident_id}/evidence", { params: { path: { incident_id: incidentId } }, signal })),
    refetchInterval: open ? 15_000 : false,
  });
}
