import { useState } from "react";
import type { Monitor } from "@/api/types";
import { useBulk } from "@/api/uptime/useBulk";
import { Confirm } from "@/components/Dialog";
import { Notice } from "@/components/Notice";
import { announce } from "@/live/announce";
import { count, type Outcome, runAll } from "./bulk";
import { BulkLabels } from "./BulkLabels";
import type { Selection } from "./useSelection";

interface Props { shown: readonly Monitor[]; selection: Selection; onDone(): void }

/** What can be done with the monitors that are selected. */
export function BulkBar({ shown, selection, onDone }: Props) {
  const { update, remove } = useBulk();
  const [asking, setAsking] = useState<"delete" | "labels" | null>(null);
  const [running, setRunning] = useState<{ behind: number; of: number } | null>(null);
  const [failed, setFailed] = useState<{ name: string; why: string }[]>([]);
  const chosen = shown.filter((m) => selection.ids.has(m.id));
  const n = chosen.length;
  const busy = running !== null;

  /** Does something with some of them, and says how it went. */
  async function run(some: readonly Monitor[], done: string, work: (m: Monitor) => Promise<unknown>): Promise<Outcome> {
    const byId = new Map(some.map((m) => [m.id, m]));
    setFailed([]);
    setRunning({ behind: 0, of: some.length });
    const outcome = await runAll([...byId.keys()], (id) => work(byId.get(id)!), (behind) => setRunning({ behind, of: some.length }));
    setRunning(null);
    setFailed(outcome.failed.map(({ id, error }) => ({ name: byId.get(id)?.name ?? String(id), why: error instanceof Error ? error.message : String(error) })));
    announce(`${count(outcome.done)} ${done}${outcome.failed.length > 0 ? `, ${outcome.failed.length} not` : ""}`);
    return outcome;
  }
  const switchTo = (enabled: boolean) => void run(chosen.filter((m) => (m.enabled !== false) !== enabled), enabled ? "resumed" : "paused", (m) => update(m.id, { enabled }));
  const deleteThem = () => { setAsking(null); void run(chosen, "deleted", (m) => remove(m.id)); };

  return (
    <section aria-label="With the selected monitors" className="sticky top-14 z-20 mb-3 grid gap-2 rounded-xl border border-accent bg-card px-3 py-2.5">
      <div className="flex flex-wrap items-center gap-2">
        <p role="status" className="mr-auto font-semibold tabular-nums">{running ? `${running.behind} of ${running.of}…` : n === 0 ? "None selected" : `${count(n)} selected`}</p>
        <button type="button" className="button button-small" disabled={busy || n === shown.length} onClick={() => selection.set(shown.map((m) => m.id))}>Select all {shown.length}</button>
        <button type="button" className="button button-small" disabled={busy || !chosen.some((m) => m.enabled !== false)} onClick={() => switchTo(false)}>Pause</button>
        <button type="button" className="button button-small" disabled={busy || !chosen.some((m) => m.enabled === false)} onClick={() => switchTo(true)}>Resume</button>
        <button type="button" className="button button-small" disabled={busy || n === 0} onClick={() => setAsking("labels")}>Labels…</button>
        <button type="button" className="button button-small button-danger" disabled={busy || n === 0} onClick={() => setAsking("delete")}>Delete…</button>
        <button type="button" className="button button-small" disabled={busy} onClick={onDone}>Done</button>
      </div>
      <p className="text-sm text-ink-2 max-sm:hidden">Space selects, Shift and Space all up to there; Escape in the list comes back here.</p>
      {failed.length > 0 && <Notice tone="down" title={`That did not work with ${count(failed.length)}:`}><ul className="max-h-32 overflow-y-auto">{failed.map((f) => <li key={f.name}>{f.name}: {f.why}</li>)}</ul></Notice>}
      {asking === "labels" && <BulkLabels monitors={chosen} onClose={() => setAsking(null)} onSave={(some, labels) => run(some, "labelled", (m) => update(m.id, { labels: labels(m) }, m.version))} />}
      {asking === "delete" && (
        <Confirm title={n === 1 ? `Delete “${chosen[0]!.name}”?` : `Delete ${count(n)}?`} word="Delete" danger onClose={() => setAsking(null)} onConfirm={deleteThem}>
          {n > 1 && <p className="mb-2">{chosen.slice(0, 8).map((m) => m.name).join(", ")}{n > 8 && ` and ${n - 8} more`}.</p>}
          They are no longer checked and leave the list. Their history stays until it is too old.
        </Confirm>
      )}
    </section>
  );
}
