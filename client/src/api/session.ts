// Who is signed in, and how one gets in and out.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { Session } from "./types";

export const sessionKey = ["session"] as const;

export function useSession() {
  return useQuery({
    queryKey: sessionKey,
    queryFn: ({ signal }) => answer<Session>(client.GET("/api/auth/session", { signal })),
    staleTime: 60_000,
  });
}

/** Whether the signed-in user may change things. */
export function useCanEdit(): boolean {
  const role = useSession().data?.organization?.role;
  return role === "editor" || role === "admin" || role === "owner";
}

/** Whether the signed-in user may change what holds secrets: channels and keys. */
export function useIsAdmin(): boolean {
  const role = useSession().data?.organization?.role;
  return role === "admin" || role === "owner";
}

/** Whether the first owner is still to be made. */
export function useNeedsSetup(enabled: boolean) {
  return useQuery({
    queryKey: ["setup"],
    enabled,
    queryFn: async ({ signal }) => (await answer(client.GET("/api/auth/setup", { signal }))).needs_setup,
  });
}

function useEntered() {
  const queries = useQueryClient();
  return (session: Session) => {
    // What another user saw is not this one's to see.
    queries.removeQueries({ predicate: (q) => q.queryKey[0] !== "session" });
    queries.setQueryData(sessionKey, session);
  };
}

export function useSignIn() {
  const entered = useEntered();
  return useMutation({
    mutationFn: (body: { email: string; password: string }) => answer<Session>(client.POST("/api/auth/login", { body })),
    onSuccess: entered,
  });
}

export function useSetUp() {
  const entered = useEntered();
  return useMutation({
    mutationFn: (body: { token: string; email: string; password: string; organization_name: string }) =>
      answer<Session>(client.POST("/api/auth/setup", { body: { name: "", ...body } })),
    onSuccess: entered,
  });
}

export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(client.POST("/api/auth/logout")),
    // Everything read so far is forgotten, and the question who is signed in is asked again.
    onSettled: () => queries.resetQueries(),
  });
}
