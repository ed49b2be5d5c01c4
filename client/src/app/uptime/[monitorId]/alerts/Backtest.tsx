import { useState } from "react";
import { useBacktest } from "@/api/alerts";
import { Refusal } from "@/api/refusal";
import type { BacktestOutcome, BacktestResponse } from "@/api/types";
import { Failure } from "@/components/Notice";
import { Moment } from "@/components/Time";
import { span } from "@/format/duration";
import { percent } from "@/format/percent";
import { fullMoment, zone as readersZone } from "@/format/zone";
import { type Conditions, sayConditions } from "./conditions";
import { ProposedWindow } from "./ProposedWindow";
import { proposedField, toProposed, usualWindow, type WindowKind, windowKinds, wrongOf } from "./proposedWindow";
import { type Line, lineOf, place } from "./timeline";

const WIDTH = 1000;
const SHOWN = 5;

interface Props { monitorId: number; alertId?: number; conditions: Partial<Conditions> | undefined; regions: number; quorum?: string }

/** Asks what a rule would have done, before it is saved. conditions are undefined while something in the form is wrong. */
export function Backtest({ monitorId, alertId, conditions, regions, quorum: set }: Props) {
  const backtest = useBacktest();
  const zone = readersZone();
  const [days, setDays] = useState("30");
  const [quorum, setQuorum] = useState("");
  const [window, setWindow] = useState(() => usualWindow(Date.now(), 30, zone));
  const proposed = toProposed(window, zone);
  const asked = backtest.variables;
  const question = { monitorId, alertId, conditions: conditions!, days: Number(days), ...(quorum ? { quorum } : {}), ...(proposed ? { window: proposed } : {}) };
  const stale = JSON.stringify(asked) !== JSON.stringify(question);
  const ready = conditions !== undefined && proposed !== undefined && !backtest.isPending;
  const ask = () => { if (ready) backtest.mutate(question); };
  // What the server has against the window stands at its fields, until they are changed.
  const refused = backtest.error instanceof Refusal && !stale ? [...backtest.error.fields].flatMap(([path, message]) => { const name = proposedField(window.kind, path); return name ? [[name, message] as const] : []; }) : [];
  return (
    <section aria-label="What it would have done" className="grid gap-3 rounded-lg border border-line bg-paper p-3 *:min-w-0">
      <div className="flex flex-wrap items-center gap-2">
        <button type="button" className="button button-small" disabled={!ready} onClick={ask}>{backtest.isPending ? "Replaying…" : "See what it would have done"}</button>
        <select className="input min-h-8! w-auto! py-1! text-sm" aria-label="In the last" value={days} onChange={(e) => setDays(e.target.value)}>
          <option value="1">in the last day</option><option value="7">in the last 7 days</option><option value="30">in the last 30 days</option><option value="90">in the last 90 days</option>
        </select>
        {regions > 1 && (
          <select className="input min-h-8! w-auto! py-1! text-sm" aria-label="As if it were down" value={quorum} onChange={(e) => setQuorum(e.target.value)}>
            <option value="">down as it is set{set && `: ${set} of its regions`}</option>
            {["any", "majority", "all"].filter((q) => q !== set).map((q) => <option key={q} value={q}>as if {q} of its regions made it down</option>)}
          </select>
        )}
        <select className="input min-h-8! w-auto! max-w-full py-1! text-sm" aria-label="As if there were" value={window.kind} onChange={(e) => setWindow(usualWindow(Date.now(), Number(days), zone, e.target.value as WindowKind))}>
          {windowKinds.map(([value, word]) => <option key={value} value={value}>{value === "none" ? `with ${word}` : `as if there were ${word}`}</option>)}
        </select>
      </div>
      {window.kind !== "none" && <ProposedWindow values={window} wrong={{ ...Object.fromEntries(refused), ...wrongOf(window) }} onChange={setWindow} onEnter={ask} />}
      {refused.length === 0 && <Failure error={backtest.error} />}
      {backtest.data && !backtest.isPending && <div className={stale ? "opacity-75" : ""}>{stale && <p className="mb-2 text-sm font-medium">What is asked was changed since; this is what it was before.</p>}<Result result={backtest.data} conditions={asked?.conditions} /></div>}
    </section>
  );
}

function Result({ result, conditions }: { result: BacktestResponse; conditions: Partial<Conditions> | undefined }) {
  const line = lineOf(result);
  const proposed = result.proposed;
  if (!proposed) return null;
  if (result.checks === 0) return <p className="text-sm">There is no check in that time that it could be replayed with.</p>;
  const firings = proposed.firings.slice(-SHOWN).reverse();
  return (
    <div className="grid gap-3">
      <p><b className="font-semibold">{sayOutcome(proposed)}</b> <span className="text-sm text-ink-2">{result.checks} checks were replayed; {percent(result.coverage_percentage)} of the time is known.</span></p>
      <div className="grid gap-2.5">
        <Row line={line} word={`Proposed: ${sayConditions(conditions)}`} outcome={proposed} unknown={result.unknown} maintenance={result.maintenance} about={saySilenced(proposed)} />
        {result.present.map((p) => p.outcome && <Row key={p.alert_id} line={line} word={`Now: ${sayConditions(p.conditions)}`} outcome={p.outcome} unknown={result.unknown} maintenance={result.maintenance} about={sayDifference(p.difference)} />)}
        <p className="flex justify-between text-xs text-ink-2"><Moment at={new Date(line.from).toISOString()} /><Moment at={new Date(line.to).toISOString()} /></p>
        <p className="flex flex-wrap gap-x-4 text-xs text-ink-2"><Key shape="fill-down" y={0} h={10} word="triggered" /><Key shape="fill-none stroke-unknown" y={3} h={5} word="not known" />{result.maintenance.length > 0 && <Key shape="fill-maintenance" y={3} h={5} word="in maintenance: nobody is told" />}</p>
      </div>
      {firings.length > 0 && (
        <ul className="grid gap-1 text-sm" aria-label="When it would have triggered">
          {firings.map((f) => <li key={f.triggered_at}><Moment at={f.triggered_at} /> for {span(f.seconds)}{f.resolved_at === null && ", and still"}</li>)}
          {proposed.times > firings.length && <li className="text-ink-2">and {proposed.times - firings.length} times before</li>}
        </ul>
      )}
    </div>
  );
}

function sayOutcome(o: BacktestOutcome): string {
  if (o.times === 0) return "It would not have triggered.";
  return `It would have triggered ${o.times === 1 ? "once" : `${o.times} times`}, for ${span(o.triggered_seconds)}${o.times > 1 ? ` in all, ${span(o.longest_seconds ?? 0)} at the longest` : ""}.`;
}

const saySilenced = (o: BacktestOutcome) => (o.silenced === 0 ? "" : `${o.silenced} more in maintenance, told to nobody`);

function sayDifference(d: BacktestResponse["present"][number]["difference"]): string {
  if (!d) return "";
  const sooner = d.sooner_seconds;
  return [d.added > 0 && `${d.added} that only the proposed one tells`, d.dropped > 0 && `${d.dropped} that only this one tells`,
    sooner !== null && Math.abs(sooner) >= 1 && `the proposed one tells ${span(Math.abs(sooner))} ${sooner > 0 ? "sooner" : "later"}`].filter(Boolean).join("; ");
}

/** One rule on the line: solid where it is triggered, hollow where nothing is known. */
function Row({ line, word, outcome, unknown, maintenance, about }: { line: Line; word: string; outcome: BacktestOutcome; unknown: BacktestResponse["unknown"]; maintenance: BacktestResponse["maintenance"]; about?: string }) {
  return (
    <div>
      <p className="mb-0.5 text-xs text-ink-2">{word}{about && <> · {about}</>}</p>
      <svg viewBox={`0 0 ${WIDTH} 20`} preserveAspectRatio="none" className="block h-5 w-full" role="img" aria-label={`${word}: ${outcome.times === 0 ? "never triggered" : outcome.times === 1 ? "triggered once" : `triggered ${outcome.times} times`}`}>
        <rect x={0} y={9} width={WIDTH} height={2} className="fill-line-strong" />
        {unknown.map((u) => { const at = place(line, u.start, u.end, WIDTH, 2); return at && <rect key={u.start} x={at.x} y={6} width={at.width} height={8} className="fill-card stroke-unknown" vectorEffect="non-scaling-stroke"><title>not known</title></rect>; })}
        {maintenance.map((m) => { const at = place(line, m.start, m.end, WIDTH, 2); return at && <rect key={m.start} x={at.x} y={6} width={at.width} height={8} className="fill-maintenance"><title>in maintenance</title></rect>; })}
        {outcome.firings.map((f) => { const at = place(line, f.triggered_at, f.resolved_at, WIDTH, 3); return at && <rect key={f.triggered_at} x={at.x} y={1} width={at.width} height={18} className="fill-down"><title>{`${f.triggered_at ? fullMoment(f.triggered_at) : ""} for ${span(f.seconds)}`}</title></rect>; })}
      </svg>
    </div>
  );
}

function Key({ shape, y, h, word }: { shape: string; y: number; h: number; word: string }) {
  return <span className="inline-flex items-center gap-1.5"><svg width="10" height="10" aria-hidden><rect x="0.5" y={y + 0.5} width="9" height={h - 1} className={shape} /></svg>{word}</span>;
}
