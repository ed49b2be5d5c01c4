import { Link } from "@tanstack/react-router";
import { Empty, useTitle } from "@/components/Page";

export function NotFound({ what = "There is no such page." }: { what?: string }) {
  useTitle("Not found");
  return (
    <div className="card mx-auto mt-8 max-w-xl">
      <Empty whole title={what}><p className="mt-3"><Link to="/uptime" className="button">All monitors</Link></p></Empty>
    </div>
  );
}
