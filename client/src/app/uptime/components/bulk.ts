// What is done with several monitors at once.

const AT_ONCE = 4;

export interface Outcome { done: number; failed: { id: number; error: unknown }[] }

/** Does something with each, a few at a time, and goes on when one fails. onStep is told how many are behind it. */
export async function runAll(ids: readonly number[], work: (id: number) => Promise<unknown>, onStep?: (behind: number) => void): Promise<Outcome> {
  const outcome: Outcome = { done: 0, failed: [] };
  let next = 0;
  const worker = async () => {
    while (next < ids.length) {
      const id = ids[next++]!;
      try {
        await work(id);
        outcome.done++;
      } catch (error) {
        outcome.failed.push({ id, error });
      }
      onStep?.(outcome.done + outcome.failed.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, worker));
  return outcome;
}

/** Labels with some put on and some taken off; undefined when that changes nothing. */
export function changeLabels(labels: Readonly<Record<string, string>>, put: Readonly<Record<string, string>>, off: readonly string[]): Record<string, string> | undefined {
  const next = { ...labels };
  for (const key of off) delete next[key];
  Object.assign(next, put);
  const same = Object.keys(next).length === Object.keys(labels).length && Object.entries(next).every(([k, v]) => labels[k] === v);
  return same ? undefined : next;
}

/** The selection after one was switched on or off; with range all between it and the one before, in the order that is shown. */
export function toggled(selected: ReadonlySet<number>, order: readonly number[], id: number, on: boolean, since: number | undefined): ReadonlySet<number> {
  const next = new Set(selected);
  const [a, b] = [since === undefined ? -1 : order.indexOf(since), order.indexOf(id)];
  const ids = a >= 0 && b >= 0 ? order.slice(Math.min(a, b), Math.max(a, b) + 1) : [id];
  for (const each of ids) if (on) next.add(each); else next.delete(each);
  return next;
}

export const count = (n: number) => (n === 1 ? "1 monitor" : `${n} monitors`);
