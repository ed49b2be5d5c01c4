// Who is signed in, and how one gets in and out.
import { useMutation, useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";
import { sessionKey, sessionQueries } from "./queries";
import type { Role, Session } from "./types";

export function useSession() {
  return useQuery({
    queryKey: sessionKey,
    queryFn: ({ signal }) => answer<Session>(client.GET("/api/auth/session", { signal })),
    staleTime: 60_000,
  }, sessionQueries);
}

/** The role in the active organization. */
export function useRole(): Role | undefined {
  return useSession().data?.organization?.role ?? undefined;
}

/** Whether the signed-in user may change things. */
export function useCanEdit(): boolean {
  const role = useRole();
  return role === "editor" || role === "admin" || role === "owner";
}

/** Whether the signed-in user may change what holds secrets, and who is a member. */
export function useIsAdmin(): boolean {
  const role = useRole();
  return role === "admin" || role === "owner";
}

/** Whether the first owner is still to be made. */
export function useNeedsSetup(enabled: boolean) {
  return useQuery({
    queryKey: ["setup"],
    enabled,
    queryFn: async ({ signal }) => (await answer(client.GET("/api/auth/setup", { signal }))).needs_setup,
  }, sessionQueries);
}

// The other tabs have the same session.
const tabs = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("frogup-session");

/** Asks who is signed in when another tab says that it has changed. */
export function followSession() {
  tabs?.addEventListener("message", () => void sessionQueries.invalidateQueries({ queryKey: sessionKey }));
}

/** Takes over the session that an answer holds. */
export function enter(session: Session) {
  // What another user saw is not this one's to see.
  sessionQueries.removeQueries({ predicate: (q) => q.queryKey[0] !== sessionKey[0] });
  sessionQueries.setQueryData(sessionKey, session);
  tabs?.postMessage("changed");
}

export function useSignIn() {
  return useMutation({
    mutationFn: (body: { email: string; password: string }) => answer<Session>(client.POST("/api/auth/login", { body })),
    onSuccess: enter,
  }, sessionQueries);
}

export function useSetUp() {
  return useMutation({
    mutationFn: (body: { token: string; email: string; password: string; organization_name: string }) =>
      answer<Session>(client.POST("/api/auth/setup", { body: { name: "", ...body } })),
    onSuccess: enter,
  }, sessionQueries);
}

export function useSignOut() {
  return useMutation({
    mutationFn: () => answer(client.POST("/api/auth/logout")),
    // Everything read so far is forgotten, and the question who is signed in is asked again.
    onSettled: () => { tabs?.postMessage("changed"); return sessionQueries.resetQueries(); },
  }, sessionQueries);
}
