// Organizations, and who is in the active one.
import { useIsMutating, useMutation, useMutationState, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import { sessionKey, sessionQueries } from "./queries";
import { enter } from "./session";
import type { Member, Organization, Role, Session } from "./types";

const organizationsKey = ["organizations"] as const;
const membersKey = ["members"] as const;
// Changes of the active organization have this key: while one is under way the shell shows no organization's things.
const moveKey = ["move"] as const;

export function useOrganizations(enabled = true) {
  return useQuery({ queryKey: organizationsKey, enabled, queryFn: ({ signal }) => answer<Organization[]>(client.GET("/api/organizations", { signal })), staleTime: 30_000 }, sessionQueries);
}

// An answer of before the change must not come after it.
const quiet = () => sessionQueries.cancelQueries({ queryKey: sessionKey });

const activate = (id: string) => answer<Session>(client.PUT("/api/auth/session/organization", { body: { organization_id: id } }));

/** Makes another organization the active one. */
export function useSwitchOrganization() {
  return useMutation({ mutationKey: moveKey, onMutate: quiet, mutationFn: activate, onSuccess: enter }, sessionQueries);
}

/** Makes an organization that the user is the owner of. It is not the active one by that. */
export function useCreateOrganization() {
  return useMutation({
    mutationFn: (name: string) => answer<Organization>(client.POST("/api/organizations", { body: { name } })),
    onSuccess: () => sessionQueries.invalidateQueries({ queryKey: organizationsKey }),
  }, sessionQueries);
}

/** Gives the active organization another name. */
export function useRenameOrganization() {
  return useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) => answer<Organization>(client.PUT("/api/organizations/{id}", { params: { path: { id } }, body: { name } })),
    onSuccess: () => { void sessionQueries.invalidateQueries({ queryKey: organizationsKey }); return sessionQueries.invalidateQueries({ queryKey: sessionKey }); },
  }, sessionQueries);
}

/** Takes the user out of the active organization; the server says which is the active one then. */
export function useLeaveOrganization() {
  return useMutation({
    mutationKey: moveKey,
    onMutate: quiet,
    mutationFn: async (userId: string) => {
      await answer(client.DELETE("/api/organizations/members/{user_id}", { params: { path: { user_id: userId } } }));
      return answer<Session>(client.GET("/api/auth/session"));
    },
    onSuccess: enter,
  }, sessionQueries);
}

/** Whether the active organization is changing now, and why the last change of it failed, until that is dismissed. */
export function useMove(): { moving: boolean; error: unknown; dismiss(): void } {
  const moving = useIsMutating({ mutationKey: moveKey }, sessionQueries) > 0;
  const errors = useMutationState({ filters: { mutationKey: moveKey }, select: (m) => m.state.error }, sessionQueries);
  return { moving, error: moving ? null : (errors.at(-1) ?? null), dismiss: forgetMoves };
}

function forgetMoves() {
  const done = sessionQueries.getMutationCache();
  for (const move of done.findAll({ mutationKey: moveKey })) done.remove(move);
}

export function useGetMembers() {
  return useQuery({ queryKey: membersKey, queryFn: ({ signal }) => answer<Member[]>(client.GET("/api/organizations/members", { signal })) });
}

function useAfterwards() {
  const queries = useQueryClient();
  return () => {
    // It may have been the own role.
    void sessionQueries.invalidateQueries({ queryKey: sessionKey });
    return queries.invalidateQueries({ queryKey: membersKey });
  };
}

export function useAddMember() {
  return useMutation({
    mutationFn: (body: { email: string; name: string; role: Role; password?: string }) => answer<Member>(client.POST("/api/organizations/members", { body: body as never })),
    onSuccess: useAfterwards(),
  });
}

export function useChangeRole() {
  return useMutation({
    mutationFn: ({ userId, role }: { userId: string; role: Role }) => answer<Member>(client.PUT("/api/organizations/members/{user_id}", { params: { path: { user_id: userId } }, body: { role } })),
    onSuccess: useAfterwards(),
  });
}

export function useRemoveMember() {
  return useMutation({
    mutationFn: (userId: string) => answer(client.DELETE("/api/organizations/members/{user_id}", { params: { path: { user_id: userId } } })),
    onSuccess: useAfterwards(),
  });
}
