import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Monitor } from "@/api/types";
import { MonitorCard } from "./MonitorCard";

const ROW = 92; // pixels, before a row is measured
const GAP = 8;

const estimateSize = () => ROW;

/** The list that was there before, as long as the new one says the same. */
function useKept(list: number[]): number[] {
  const [kept, setKept] = useState(list);
  if (kept === list || (kept.length === list.length && kept.every((id, i) => id === list[i]))) return kept;
  setKept(list);
  return list;
}

/** The monitors, of which only those in view are in the page: ten thousand scroll as ten do. */
export function MonitorList({ monitors }: { monitors: Monitor[] }) {
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
  // The places of all rows are computed anew whenever this is another function: not with every frame, nor with every piece of news.
  const ids = useKept(useMemo(() => monitors.map((m) => m.id), [monitors]));
  const getItemKey = useCallback((i: number) => ids[i]!, [ids]);
  const rows = useWindowVirtualizer({ count: monitors.length, estimateSize, gap: GAP, overscan: 6, scrollMargin: top, getItemKey });
  return (
    <ul ref={box} className="relative" style={{ height: rows.getTotalSize() }} aria-label="Monitors">
      {rows.getVirtualItems().map((row) => (
        <li key={row.key} ref={rows.measureElement} data-index={row.index} aria-setsize={monitors.length} aria-posinset={row.index + 1}
          className="absolute inset-x-0 top-0" style={{ transform: `translateY(${row.start - top}px)` }}>
          <MonitorCard monitor={monitors[row.index]!} flying={rows.isScrolling} />
        </li>
      ))}
    </ul>
  );
}
