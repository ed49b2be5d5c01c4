import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { useSwitchOrganization } from "@/api/organizations";
import { announce } from "@/live/announce";

/** Goes into another organization, to its list of monitors: what is looked at now is not there. */
export function useMoveTo(): (to: { id: string; name: string }) => void {
  const navigate = useNavigate();
  const { mutateAsync } = useSwitchOrganization();
  return useCallback(({ id, name }) => {
    // Nothing of an organization is shown from here on until the server has answered.
    const moved = mutateAsync(id);
    void navigate({ to: "/uptime", search: {} });
    moved.then(() => announce(`You are in ${name} now`), () => announce("That did not work"));
  }, [navigate, mutateAsync]);
}
