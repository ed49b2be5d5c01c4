import type { Stats } from "@/api/types";
import { ChartTable } from "@/components/ChartTable";
import { millis } from "@/format/duration";
import { classShare, marksOf } from "./histogramMarks";

const BAR = 10;
const HEIGHT = 100;

/** How many answers took how long, in classes of equal ratio, with lines where half, 95 % and 99 % of them have come. */
export function Histogram({ stats }: { stats: Stats }) {
  const classes = stats.histogram;
  if (classes.length === 0) return <p className="py-4 text-center text-ink-2">No response times in this range.</p>;
  const most = Math.max(...classes.map((c) => c.count));
  const marks = marksOf(stats);
  const total = classes.reduce((sum, c) => sum + c.count, 0);
  const words = (c: (typeof classes)[number]) => `${millis(c.from_ms)} to ${millis(c.to_ms)}: ${c.count} (${classShare(c.count, total)})`;
  const label = `${total} response times from ${millis(stats.response_time?.min)} to ${millis(stats.response_time?.max)}: ${marks.map((m) => `${m.word} within ${millis(m.ms)}`).join(", ")}`;
  return (
    <figure>
      <svg viewBox={`0 0 ${classes.length * BAR} ${HEIGHT}`} preserveAspectRatio="none" className="block h-28 w-full" role="img" aria-label={label}>
        {classes.map((c, i) => {
          // What is there at all can be seen, however little it is.
          const height = c.count > 0 ? Math.max((c.count / most) * HEIGHT, 2) : 0;
          return (
            <g key={c.from_ms}>
              <rect x={i * BAR + 0.5} y={HEIGHT - height} width={BAR - 1} height={height} className="fill-[var(--phase-wait)]" />
              <rect x={i * BAR} y={0} width={BAR} height={HEIGHT} className="fill-transparent"><title>{words(c)}</title></rect>
            </g>
          );
        })}
        {marks.map((m) => <line key={m.word} x1={m.place * BAR} x2={m.place * BAR} y1={0} y2={HEIGHT} className="stroke-ink" strokeWidth={1.5} strokeDasharray={m.dash} vectorEffect="non-scaling-stroke" />)}
      </svg>
      <div className="mt-1 flex justify-between text-xs text-ink-2 tabular-nums" aria-hidden><span>{millis(classes[0]!.from_ms)}</span>{classes.length > 2 && <span>{millis(classes[Math.floor(classes.length / 2)]!.from_ms)}</span>}<span>{millis(classes.at(-1)!.to_ms)}</span></div>
      <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-sm">
        {marks.map((m) => <span key={m.word} className="inline-flex items-center gap-1.5"><svg width="14" height="10" aria-hidden><path d="M7 0v10" className="stroke-ink" strokeWidth="2" strokeDasharray={m.dash} /></svg>{m.word} within<b className="font-semibold tabular-nums">{millis(m.ms)}</b></span>)}
      </figcaption>
      <ChartTable name="How many took how long" columns={[{ word: "From" }, { word: "To" }, { word: "Checks" }, { word: "Share" }]}
        rows={() => classes.filter((c) => c.count > 0).map((c) => ({ key: String(c.from_ms), cells: [millis(c.from_ms), millis(c.to_ms), c.count, classShare(c.count, total)] }))} />
    </figure>
  );
}
