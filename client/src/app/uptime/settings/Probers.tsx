import { useGetProbers } from "@/api/settings";
import { Failure } from "@/components/Notice";
import { Section } from "@/components/Page";
import { TimeAgo } from "@/components/Time";

/** From where is checked. */
export function Probers() {
  const probers = useGetProbers();
  return (
    <Section title="Probers">
      <Failure error={probers.error} />
      <ul className="divide-y divide-line">
        {probers.data?.map((p) => (
          <li key={p.id} className="py-2"><p className="flex flex-wrap justify-between gap-x-4"><b className="font-semibold">{p.id}</b><span>{p.health}</span></p><p className="text-sm text-ink-2">{p.region} · {p.monitors} {p.monitors === 1 ? "monitor" : "monitors"} · {p.version} · seen <TimeAgo at={p.last_seen_at} /></p></li>
        ))}
        {probers.data?.length === 0 && <li className="text-ink-2">There are none.</li>}
      </ul>
    </Section>
  );
}
