import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Monitor } from "@/api/types";
import type { BarRange, ListGroup } from "../listSearch";
import { MonitorCard } from "./MonitorCard";
import type { Selection } from "./useSelection";

const ROW = 92; // pixels, before a row is measured
const HEAD = 40;
const GAP = 8;

type Row = { head: ListGroup } | { monitor: Monitor; place: number };

const keyOf = (row: Row): number | string => ("head" in row ? `head ${row.head.key}` : row.monitor.id);

/** The list that was there before, as long as the new one says the same. */
function useKept<T>(list: T[]): T[] {
  const [kept, setKept] = useState(list);
  if (kept === list || (kept.length === list.length && kept.every((id, i) => id === list[i]))) return kept;
  setKept(list);
  return list;
}

function rowsOf(groups: readonly ListGroup[]): Row[] {
  let place = 0;
  return groups.flatMap((head) => [...(head.word ? [{ head }] : []), ...head.monitors.map((monitor) => ({ monitor, place: ++place }))]);
}

interface Props {
  /** One without a word stands for all. */
  groups: ListGroup[];
  bars: BarRange;
  /** Present while monitors are selected. */
  selection?: Selection;
}

/** The monitors, of which only those in view are in the page: ten thousand scroll as ten do. */
export function MonitorList({ groups, bars, selection }: Props) {
  const box = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  // What stands above grows and shrinks with what is down.
  useLayoutEffect(() => {
    const measure = () => { if (box.current) setTop(box.current.getBoundingClientRect().top + scrollY); };
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(document.body);
    return () => watcher.disconnect();
  }, []);
  const all = useMemo(() => rowsOf(groups), [groups]);
  const count = groups.reduce((n, g) => n + g.monitors.length, 0);
  // The places of all rows are computed anew whenever this is another function: not with every frame, nor with every piece of news.
  const keys = useKept(useMemo(() => all.map(keyOf), [all]));
  const getItemKey = useCallback((i: number) => keys[i]!, [keys]);
  const estimateSize = useCallback((i: number) => (typeof keys[i] === "string" ? HEAD : ROW), [keys]);
  const rows = useWindowVirtualizer({ count: all.length, estimateSize, gap: GAP, overscan: 6, scrollMargin: top, getItemKey });
  return (
    <ul ref={box} className="relative" style={{ height: rows.getTotalSize() }} aria-label="Monitors">
      {rows.getVirtualItems().map((item) => {
        const row = all[item.index]!;
        const place = "head" in row ? {} : { "aria-setsize": count, "aria-posinset": row.place };
        return (
          <li key={item.key} ref={rows.measureElement} data-index={item.index} {...place} className="absolute inset-x-0 top-0" style={{ transform: `translateY(${item.start - top}px)` }}>
            {"head" in row
              ? <h2 className="pt-2.5 pb-0.5">{row.head.word} <span className="font-normal text-ink-2 tabular-nums">{row.head.monitors.length}</span></h2>
              : <MonitorCard monitor={row.monitor} flying={rows.isScrolling} bars={bars} selected={selection?.ids.has(row.monitor.id)} onSelect={selection?.toggle} />}
          </li>
        );
      })}
    </ul>
  );
}
