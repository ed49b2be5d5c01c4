// Times on the clock of a zone. What a clock shows is a "wall": milliseconds as if it were UTC.

const MINUTE = 60_000;
export const DAY = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether a name is a time zone here. */
export function isZone(zone: string): boolean {
  try {
    format(zone);
    return true;
  } catch {
    return false;
  }
}

function format(zone: string): Intl.DateTimeFormat {
  let f = formats.get(zone);
  if (!f) {
    f = new Intl.DateTimeFormat("en-US", { timeZone: zone || "UTC", calendar: "gregory", hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
    formats.set(zone, f);
  }
  return f;
}

/** What the zone's clock shows at an instant. */
export function wallOf(t: number, zone: string): number {
  const part = Object.fromEntries(format(zone).formatToParts(t).map((p) => [p.type, Number(p.value)]));
  return Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!) + (((t % 1000) + 1000) % 1000);
}

/** When the zone's clock shows a wall: the first time, if it does so twice; the first instant after the gap, if the clock skips it. */
export function instantOf(wall: number, zone: string): number {
  const offset = (t: number) => wallOf(t, zone) - t;
  const offsets = [offset(wall - DAY), offset(wall + DAY)];
  const shown = offsets.map((o) => wall - o).filter((t) => wallOf(t, zone) === wall);
  if (shown.length > 0) return Math.min(...shown);
  // It is skipped: the clock is put forward between these two.
  let before = wall - Math.max(...offsets) - MINUTE;
  let after = wall - Math.min(...offsets) + MINUTE;
  const old = offset(before);
  while (after - before > 1000) {
    const middle = before + Math.floor((after - before) / 2000) * 1000;
    if (offset(middle) === old) before = middle;
    else after = middle;
  }
  return Math.ceil(after / 1000) * 1000;
}

/** The first moment of a wall's day. */
export const midnight = (wall: number) => Math.floor(wall / DAY) * DAY;

/** How many days a month has; month counts from 0 and may be beyond the year. */
export const daysInMonth = (year: number, month: number) => new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
