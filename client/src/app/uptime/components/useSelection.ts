import { useCallback, useMemo, useRef, useState } from "react";
import type { Monitor } from "@/api/types";
import { toggled } from "./bulk";

export interface Selection {
  ids: ReadonlySet<number>;
  toggle(id: number, on: boolean, range: boolean): void;
  set(ids: readonly number[]): void;
}

/** Which of the monitors that are shown are selected. What is not shown any more is not. */
export function useSelection(shown: readonly Monitor[]): Selection {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const order = useRef<number[]>([]);
  const last = useRef<number>(undefined);
  const ids = useMemo(() => {
    order.current = shown.map((m) => m.id);
    if (chosen.size === 0) return chosen;
    const there = new Set(order.current);
    return [...chosen].every((id) => there.has(id)) ? chosen : new Set([...chosen].filter((id) => there.has(id)));
  }, [chosen, shown]);
  const toggle = useCallback((id: number, on: boolean, range: boolean) => {
    const since = range ? last.current : undefined;
    last.current = id;
    setChosen((before) => toggled(before, order.current, id, on, since));
  }, []);
  const set = useCallback((next: readonly number[]) => { last.current = undefined; setChosen(new Set(next)); }, []);
  return useMemo(() => ({ ids, toggle, set }), [ids, toggle, set]);
}
