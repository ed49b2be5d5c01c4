import { useNavigate, useSearch } from "@tanstack/react-router";
import { useGetIncidents } from "@/api/incidents";
import { Export } from "@/components/Export";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Waiting } from "@/components/Page";
import { IncidentRow } from "../components/IncidentRow";
import { incidentColumns, tableOf } from "../exports";

/** Outages of all monitors: the open ones, or all. */
export default function IncidentsPage() {
  const { all } = useSearch({ from: "/uptime/incidents" });
  const navigate = useNavigate({ from: "/uptime/incidents" });
  const pages = useGetIncidents({ status: all ? "all" : "open" });
  const incidents = pages.data?.pages.flatMap((p) => p.incidents) ?? [];
  return (
    <>
      <PageHead title="Incidents" about="An incident begins with the first failing check and ends with the first that works again.">
        <label className="flex items-center gap-2"><input type="checkbox" className="check" checked={all ?? false} onChange={(e) => void navigate({ search: e.target.checked ? { all: true } : {}, replace: true })} />Also resolved ones</label>
        {incidents.length > 0 && <Export name="incidents" what="the incidents that are shown" {...tableOf(incidentColumns, incidents)} />}
      </PageHead>
      <Failure error={pages.error} retry={() => void pages.refetch()} />
      {pages.isPending && <Waiting rows={3} />}
      {pages.isSuccess && (
        <div className="card px-4 sm:px-5">
          {incidents.length === 0 ? <Empty title={all ? "There were no incidents" : "No incident is open"} /> : <ul className="divide-y divide-line">{incidents.map((i) => <IncidentRow key={i.id} incident={i} named />)}</ul>}
        </div>
      )}
      {pages.hasNextPage && <p className="mt-3 text-center"><button type="button" className="button" onClick={() => void pages.fetchNextPage()}>Older</button></p>}
    </>
  );
}
