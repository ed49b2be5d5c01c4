import { Link } from "@tanstack/react-router";
import { useRole } from "@/api/session";
import { Empty, useTitle } from "@/components/Page";

/** What stands where somebody may not go: why, and who may. */
export function MayNot({ what, who = "editors, admins and owners" }: { what: string; who?: string }) {
  const role = useRole();
  useTitle("Not with this role");
  return (
    <div className="card mx-auto mt-8 max-w-xl">
      <Empty whole title={`Your role does not let you ${what}`}>
        <p>You are {role ?? "no member"} in this organization; {who} may. An admin can <Link to="/uptime/settings" search={{ tab: "members" }} className="link">give you another role</Link>.</p>
        <p className="mt-3"><Link to="/uptime" className="button">All monitors</Link></p>
      </Empty>
    </div>
  );
}
