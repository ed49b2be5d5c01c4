// Cron expressions as the server reads them: 5 fields, or 6 of which the last is seconds.

/** Says what is wrong with a schedule. */
export class ScheduleError extends Error {}

interface Kind { name: string; min: number; max: number; names?: string[] }
const kinds: [Kind, Kind, Kind, Kind, Kind, Kind] = [
  { name: "minute", min: 0, max: 59 }, { name: "hour", min: 0, max: 23 }, { name: "day of month", min: 1, max: 31 },
  { name: "month", min: 1, max: 12, names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"] },
  { name: "day of week", min: 0, max: 7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] }, { name: "second", min: 0, max: 59 },
];

const wrong = (k: Kind, part: string, what: string) => new ScheduleError(`${k.name} “${part}”: ${what}`);
const isWeekday = (k: Kind) => k.max === 7;
const top = (k: Kind) => (isWeekday(k) ? 6 : k.max);
const number = (text: string) => (/^\d{1,2}$/.test(text) ? Number(text) : undefined);

function value(k: Kind, text: string): number {
  const named = k.names?.indexOf(text.toUpperCase()) ?? -1;
  if (named >= 0) return k.min + named;
  const n = number(text);
  if (n === undefined || n < k.min || n > k.max) throw wrong(k, text, `must be between ${k.min} and ${k.max}`);
  return n;
}

function span(k: Kind, from: number, to: number, step: number): number[] {
  const out: number[] = [];
  for (let v = from; v <= to; v += step) out.push(isWeekday(k) ? v % 7 : v);
  return out;
}

/** Reads one element of a list. */
function part(k: Kind, text: string): number[] {
  const slash = text.indexOf("/");
  const reach = slash < 0 ? text : text.slice(0, slash);
  const step = slash < 0 ? 1 : number(text.slice(slash + 1));
  if (step === undefined || step < 1 || step > k.max) throw wrong(k, text, `the step must be between 1 and ${k.max}`);
  if (reach === "*") return span(k, k.min, top(k), step);
  const dash = reach.indexOf("-");
  let from = value(k, dash < 0 ? reach : reach.slice(0, dash));
  if (dash < 0) {
    if (slash < 0) return span(k, from, from, 1);
    if (from > top(k)) throw wrong(k, text, `must begin between ${k.min} and ${top(k)}`);
    return span(k, from, top(k), step);
  }
  if (isWeekday(k)) from %= 7;
  const to = value(k, reach.slice(dash + 1));
  if (from === to) throw wrong(k, text, "is one value; write it alone");
  if (from < to) return span(k, from, to, step);
  if (slash >= 0) throw wrong(k, text, "must not go round and have a step");
  return [...span(k, from, top(k), 1), ...span(k, k.min, to, 1)];
}

function field(k: Kind, text: string): Set<number> {
  return new Set(text.split(",").flatMap((p) => {
    if (p === "*" && text !== "*") throw wrong(k, text, "must not list * with other values");
    return part(k, p);
  }));
}

export interface Cron {
  /** Whether a day has any start, by its wall. */
  dueOn(midnight: number): boolean;
  /** Its starts on every day that has any, in milliseconds from midnight, ascending. */
  clock: number[];
}

const NONE = new Set<number>();

function ofMonth(text: string): { days: Set<number>; last: boolean } {
  const given = text === "?" ? "*" : text;
  const parts = given.split(",");
  const last = parts.some((p) => p.toUpperCase() === "L");
  const rest = parts.filter((p) => p.toUpperCase() !== "L").map((p) => (/^.+-L$/i.test(p) && p.slice(0, -2) !== "31" ? `${p.slice(0, -2)}-31` : p));
  if (last && rest[0] === "*") throw wrong(kinds[2], given, "must not list * with other values");
  return { days: rest.length ? field(kinds[2], rest.join(",")) : NONE, last };
}

function ofWeek(text: string): { days: Set<number>; nth: [day: number, nth: number][] } {
  const k = kinds[4];
  const given = text === "?" ? "*" : text;
  const rest: string[] = [];
  const nth: [number, number][] = [];
  for (const p of given.split(",")) {
    const hash = p.indexOf("#");
    if (hash >= 0) {
      const n = number(p.slice(hash + 1));
      if (n === undefined || n < 1 || n > 5) throw wrong(k, p, "after # there must be 1 to 5");
      nth.push([value(k, p.slice(0, hash)) % 7, n]);
    } else if (/^L.$/i.test(p)) nth.push([value(k, p.slice(1)) % 7, -1]);
    else rest.push(p);
  }
  if (rest.length && nth.length) throw wrong(k, given, "must not mix days of every week with those of one");
  return { days: rest.length ? field(k, rest.join(",")) : NONE, nth };
}

/** Whether one of the two day fields leaves the choice to the other. */
const unrestricted = (text: string, other: string, full: boolean) => text === "*" || text === "?" || (full && other.includes("*"));

/** Reads an expression; throws a ScheduleError that says what is wrong with it. */
export function parseCron(expression: string): Cron {
  const fields = expression.trim().split(/\s+/);
  if (fields.length === 5) fields.push("0");
  if (fields.length !== 6) throw new ScheduleError(`It has ${expression.trim() ? fields.length : 0} fields; 5 are needed, or 6 with seconds last`);
  const [minuteText, hourText, domText, monthText, dowText, secondText] = fields as [string, string, string, string, string, string];
  const [minutes, hours, months, seconds] = [field(kinds[0], minuteText), field(kinds[1], hourText), field(kinds[3], monthText), field(kinds[5], secondText)];
  const dom = ofMonth(domText);
  const dow = ofWeek(dowText);
  const both = unrestricted(domText, dowText, dom.days.size === 31) || unrestricted(dowText, domText, dow.days.size === 7);
  const sorted = (set: Set<number>) => [...set].sort((a, b) => a - b);
  return {
    clock: sorted(hours).flatMap((h) => sorted(minutes).flatMap((m) => sorted(seconds).map((s) => (h * 3600 + m * 60 + s) * 1000))),
    dueOn(midnight) {
      const d = new Date(midnight);
      if (!months.has(d.getUTCMonth() + 1)) return false;
      const day = d.getUTCDate();
      const length = new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 0)).getUTCDate();
      const inMonth = dom.days.has(day) || (dom.last && day === length);
      const inWeek = dow.days.has(d.getUTCDay()) || dow.nth.some(([weekday, n]) => weekday === d.getUTCDay() && (n < 0 ? day + 7 > length : Math.ceil(day / 7) === n));
      return both ? inMonth && inWeek : inMonth || inWeek;
    },
  };
}
