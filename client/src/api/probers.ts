// From where is checked: regions, and the probers that stand in them.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Prober, ProberEnrolment, Region } from "./types";

const regionsKey = ["regions"] as const;
const probersKey = ["probers"] as const;
const AGAIN = 10_000;

export function useGetRegions() {
  return useQuery({ queryKey: regionsKey, refetchInterval: AGAIN, queryFn: async ({ signal }): Promise<Region[]> => (await answer(client.GET("/api/uptime/regions", { signal }))).regions });
}

export function useGetProbers() {
  return useQuery({ queryKey: probersKey, refetchInterval: AGAIN, queryFn: async ({ signal }): Promise<Prober[]> => (await answer(client.GET("/api/uptime/probers", { signal }))).probers });
}

function useAfterwards() {
  const queries = useQueryClient();
  return () => Promise.all([queries.invalidateQueries({ queryKey: regionsKey }), queries.invalidateQueries({ queryKey: probersKey })]);
}

export interface Enrolment { region: string; id?: string; valid_seconds: number }

/** Makes a token with which one prober may join, once. It is in the answer only. */
export function useEnrolProber() {
  return useMutation({ mutationFn: (body: Enrolment) => answer<ProberEnrolment>(client.POST("/api/uptime/probers", { body: body as never })), onSuccess: useAfterwards() });
}

/** Takes a prober's certificate and its monitors away. */
export function useRemoveProber() {
  return useMutation({ mutationFn: (id: string) => answer(client.DELETE("/api/uptime/probers/{id}", { params: { path: { id } } })), onSuccess: useAfterwards() });
}
