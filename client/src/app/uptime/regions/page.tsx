import { Plus } from "lucide-react";
import { useState } from "react";
import { useGetProbers, useGetRegions } from "@/api/probers";
import { useIsAdmin } from "@/api/session";
import { Copyable } from "@/components/Copyable";
import { Failure } from "@/components/Notice";
import { Empty, PageHead, Section, Waiting } from "@/components/Page";
import { AddProber } from "./AddProber";
import { RegionCard } from "./RegionCard";
import { byRegion, joinCommands } from "./regionWords";

/** From where is checked: regions, the probers in each, and how more are added. */
export default function RegionsPage() {
  const regions = useGetRegions();
  const probers = useGetProbers();
  const isAdmin = useIsAdmin();
  const [adding, setAdding] = useState(false);
  const all = regions.data && probers.data ? byRegion(regions.data, probers.data) : undefined;
  const remote = all?.some((r) => !r.region.is_local) ?? false;
  return (
    <>
      <PageHead title="Regions and probers" about="From where is checked. A monitor is up or down by what the probers of its regions see; without one it is unknown.">
        {isAdmin && <button type="button" className="button button-main" onClick={() => setAdding(true)}><Plus className="size-4" aria-hidden />Add prober</button>}
      </PageHead>
      <Failure error={regions.error ?? probers.error} retry={() => { void regions.refetch(); void probers.refetch(); }} />
      {!all && (regions.isPending || probers.isPending) && <Waiting rows={2} className="h-24" />}
      {all && (
        <div className="grid gap-4 *:min-w-0">
          {all.length === 0 && <div className="card"><Empty title="No region yet">There is one as soon as a prober joins.</Empty></div>}
          {all.map((r) => <RegionCard key={r.region.code} region={r.region} probers={r.probers} regions={all.length} />)}
          {!remote && <Teach isAdmin={isAdmin} />}
        </div>
      )}
      {adding && <AddProber regions={regions.data ?? []} onClose={() => setAdding(false)} />}
    </>
  );
}

/** Says what more places are good for, and how one is added. */
function Teach({ isAdmin }: { isAdmin: boolean }) {
  return (
    <Section title="Check from another place too">
      <p>A prober in another network tells whether a target is down for everybody or only from here. It makes one connection, outwards, to this address: it works behind NAT and proxies, and needs no open port.</p>
      {isAdmin ? (
        <>
          <p className="mt-2 text-ink-2">“Add prober” makes a token and the command for the other machine. By an API key with the role admin it is done so:</p>
          {joinCommands(location.origin).map(([word, text]) => <Copyable key={word} word={word} text={text} />)}
          <p className="mt-3 text-sm text-ink-2">Then choose the region in a monitor’s form. Monitors in several regions say how many of them must fail.</p>
        </>
      ) : <p className="mt-2 text-ink-2">Somebody with the role admin can add one.</p>}
    </Section>
  );
}
