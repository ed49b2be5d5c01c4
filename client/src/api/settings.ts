// Keys and the password.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answer, client } from "./client";
import type { ApiKey, Role } from "./types";

const keysKey = ["api-keys"] as const;

export function useGetApiKeys(enabled: boolean) {
  return useQuery({ queryKey: keysKey, enabled, queryFn: ({ signal }) => answer<ApiKey[]>(client.GET("/api/organizations/api-keys", { signal })) });
}

export function useCreateApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: { name: string; role: Role }) => answer<ApiKey>(client.POST("/api/organizations/api-keys", { body: body as never })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keysKey }),
  });
}

export function useDeleteApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => answer(client.DELETE("/api/organizations/api-keys/{id}", { params: { path: { id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keysKey }),
  });
}

export function useChangePassword() {
  return useMutation({ mutationFn: (body: { current_password: string; new_password: string }) => answer(client.POST("/api/auth/password", { body })) });
}
