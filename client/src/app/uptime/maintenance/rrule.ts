// Rules of RFC 5545 as the server reads them: periods of a day and longer.
import { ScheduleError } from "./cron";
import { DAY, daysInMonth, midnight, wallOf } from "./wall";

const weekdayNames = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
interface Weekday { nth: number; day: number }

interface Rule {
  freq: string; interval: number; weekStart: number; months: number[]; monthDays: number[]; weekdays: Weekday[]; hours: number[]; minutes: number[]; positions: number[];
  count: number; until: number; start: number;
}

const fail = (what: string) => new ScheduleError(what);

function number(name: string, text: string, least: number, most: number): number {
  const n = Number(text);
  if (!/^\d{1,6}$/.test(text) || n < least || n > most) throw fail(`${name} “${text}” must be between ${least} and ${most}`);
  return n;
}

function numbers(name: string, text: string, least: number, most: number, fromEnd = false): number[] {
  const all = text.split(",").map((t) => (fromEnd && t.startsWith("-") ? -number(name, t.slice(1), least, most) : number(name, t, least, most)));
  return [...new Set(all)].sort((a, b) => a - b);
}

function weekday(text: string): Weekday {
  const m = /^([+-]?\d{1,2})?(SU|MO|TU|WE|TH|FR|SA)$/.exec(text);
  const nth = Number(m?.[1] ?? 0);
  if (!m || (m[1] && nth === 0)) throw fail(`BYDAY “${text}” must be a day like MO, 1MO or -1FR`);
  return { nth, day: weekdayNames.indexOf(m[2]!) };
}

function untilOf(text: string, zone: string): number {
  const m = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?$/.exec(text);
  if (!m) throw fail(`UNTIL “${text}” must be like 20271231T230000Z, 20271231T230000 or 20271231`);
  const [y, mo, d, h, mi, s] = m.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  if (m[4] === undefined) return Date.UTC(y, mo - 1, d + 1) - 1000;
  const at = Date.UTC(y, mo - 1, d, h, mi, s);
  return m[7] ? wallOf(at, zone) : at;
}

function parse(text: string, zone: string, start: number): Rule {
  const r: Rule = { freq: "", interval: 1, weekStart: 1, months: [], monthDays: [], weekdays: [], hours: [], minutes: [], positions: [], count: 0, until: Infinity, start };
  const seen = new Set<string>();
  for (const part of text.trim().toUpperCase().replace(/^RRULE:/, "").replace(/;$/, "").split(";")) {
    const at = part.indexOf("=");
    const [name, value] = [part.slice(0, Math.max(0, at)), part.slice(at + 1)];
    if (at < 0 || !value) throw fail(`“${part}” must be NAME=VALUE`);
    if (seen.has(name)) throw fail(`${name} must not stand twice`);
    seen.add(name);
    switch (name) {
      case "FREQ":
        if (!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].includes(value)) throw fail(`FREQ “${value}” must be DAILY, WEEKLY, MONTHLY or YEARLY; for shorter periods there is cron`);
        r.freq = value;
        break;
      case "INTERVAL": r.interval = number(name, value, 1, 1000); break;
      case "COUNT": r.count = number(name, value, 1, 10_000); break;
      case "UNTIL": r.until = untilOf(value, zone); break;
      case "WKST":
        r.weekStart = weekdayNames.indexOf(value);
        if (r.weekStart < 0) throw fail(`WKST “${value}” must be MO, TU, WE, TH, FR, SA or SU`);
        break;
      case "BYMONTH": r.months = numbers(name, value, 1, 12); break;
      case "BYMONTHDAY": r.monthDays = numbers(name, value, 1, 31, true); break;
      case "BYHOUR": r.hours = numbers(name, value, 0, 23); break;
      case "BYMINUTE": r.minutes = numbers(name, value, 0, 59); break;
      case "BYSETPOS": r.positions = numbers(name, value, 1, 366, true); break;
      case "BYDAY": r.weekdays = value.split(",").map(weekday); break;
      default: throw fail(`“${name}” is not supported`);
    }
  }
  check(r, seen);
  return begin(r);
}

/** Holds the parts against each other. */
function check(r: Rule, seen: ReadonlySet<string>) {
  if (!r.freq) throw fail("It must have FREQ");
  if (seen.has("COUNT") && seen.has("UNTIL")) throw fail("It must not have both COUNT and UNTIL");
  if (r.freq === "WEEKLY" && r.monthDays.length) throw fail("BYMONTHDAY must not stand with FREQ=WEEKLY");
  if (r.positions.length && r.months.length + r.monthDays.length + r.weekdays.length + r.hours.length + r.minutes.length === 0) throw fail("BYSETPOS must stand with another BY part");
  const most = r.freq === "MONTHLY" || (r.freq === "YEARLY" && r.months.length) ? 5 : r.freq === "YEARLY" ? 53 : 0;
  const far = r.weekdays.find((w) => Math.abs(w.nth) > most);
  if (far) throw fail(`BYDAY with the number ${far.nth} must not stand with FREQ=${r.freq}`);
}

/** Fills in what a rule leaves to its start. */
function begin(r: Rule): Rule {
  const d = new Date(r.start);
  if (!r.monthDays.length && !r.weekdays.length) {
    if (r.freq === "WEEKLY") r.weekdays = [{ nth: 0, day: d.getUTCDay() }];
    if (r.freq === "MONTHLY" || r.freq === "YEARLY") r.monthDays = [d.getUTCDate()];
    if (r.freq === "YEARLY" && !r.months.length) r.months = [d.getUTCMonth() + 1];
  }
  if (!r.hours.length) r.hours = [d.getUTCHours()];
  if (!r.minutes.length) r.minutes = [d.getUTCMinutes()];
  return r;
}

const week = (r: Rule, t: number) => midnight(t) - ((new Date(t).getUTCDay() - r.weekStart + 7) % 7) * DAY;

/** The first day of the kth period and the first after it. */
function period(r: Rule, k: number): [first: number, after: number] {
  const n = k * r.interval;
  const s = new Date(r.start);
  if (r.freq === "DAILY") return [midnight(r.start) + n * DAY, midnight(r.start) + (n + 1) * DAY];
  if (r.freq === "WEEKLY") return [week(r, r.start) + 7 * n * DAY, week(r, r.start) + 7 * (n + 1) * DAY];
  if (r.freq === "MONTHLY") return [Date.UTC(s.getUTCFullYear(), s.getUTCMonth() + n), Date.UTC(s.getUTCFullYear(), s.getUTCMonth() + n + 1)];
  return [Date.UTC(s.getUTCFullYear() + n, 0), Date.UTC(s.getUTCFullYear() + n + 1, 0)];
}

/** The number of the last period that begins at or before t. */
function periodOf(r: Rule, t: number): number {
  const [a, b] = [new Date(midnight(r.start)), new Date(t)];
  const years = b.getUTCFullYear() - a.getUTCFullYear();
  const n = r.freq === "DAILY" ? (midnight(t) - a.getTime()) / DAY : r.freq === "WEEKLY" ? (week(r, t) - week(r, r.start)) / (7 * DAY) : r.freq === "MONTHLY" ? years * 12 + b.getUTCMonth() - a.getUTCMonth() : years;
  return Math.floor(n / r.interval);
}

function isNth(r: Rule, n: number, d: Date): boolean {
  if (n === 0) return true;
  const ofYear = r.freq === "YEARLY" && !r.months.length;
  const first = ofYear ? Date.UTC(d.getUTCFullYear(), 0) : Date.UTC(d.getUTCFullYear(), d.getUTCMonth());
  const length = ofYear ? (Date.UTC(d.getUTCFullYear() + 1, 0) - first) / DAY : daysInMonth(d.getUTCFullYear(), d.getUTCMonth());
  const before = (midnight(d.getTime()) - first) / DAY;
  return n > 0 ? Math.floor(before / 7) + 1 === n : Math.floor((length - 1 - before) / 7) + 1 === -n;
}

function due(r: Rule, at: number): boolean {
  const d = new Date(at);
  if (r.months.length && !r.months.includes(d.getUTCMonth() + 1)) return false;
  const length = daysInMonth(d.getUTCFullYear(), d.getUTCMonth());
  if (r.monthDays.length && !r.monthDays.includes(d.getUTCDate()) && !r.monthDays.includes(d.getUTCDate() - length - 1)) return false;
  return !r.weekdays.length || r.weekdays.some((w) => w.day === d.getUTCDay() && isNth(r, w.nth, d));
}

function startsIn(r: Rule, first: number, after: number): number[] {
  const all: number[] = [];
  for (let d = first; d < after; d += DAY) if (due(r, d)) for (const h of r.hours) for (const m of r.minutes) all.push(d + (h * 3600 + m * 60 + new Date(r.start).getUTCSeconds()) * 1000);
  return r.positions.length ? all.filter((_, i) => r.positions.includes(i + 1) || r.positions.includes(i - all.length)) : all;
}

function* starts(r: Rule, from: number, years: number): Generator<number> {
  const t = Math.max(from, r.start);
  const end = t + years * 366 * DAY;
  for (let k = periodOf(r, t); ; k++) {
    const [first, after] = period(r, k);
    if (first > end || first > r.until) return;
    for (const wall of startsIn(r, first, after)) {
      if (wall > r.until) return;
      if (wall >= t) yield wall;
    }
  }
}

/** The walls of a rule's starts from one on. start is that of the window. */
export function ruleWalls(text: string, zone: string, start: number): (from: number) => Generator<number> {
  const r = parse(text, zone, start);
  if (r.count > 0) {
    let [left, last] = [r.count, start];
    for (const wall of starts(r, start, 100)) {
      last = wall;
      if (--left === 0) break;
    }
    r.until = last;
  }
  return (from) => starts(r, from, 12);
}
