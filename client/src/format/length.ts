// Lengths of time as people type them into forms: "90 s", "5 min", "1 h 30 min", "2 d".

const sizes: [string, number][] = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
const units: Record<string, number> = { d: 86_400, day: 86_400, days: 86_400, h: 3600, hour: 3600, hours: 3600, m: 60, min: 60, mins: 60, minute: 60, minutes: 60, s: 1, sec: 1, second: 1, seconds: 1 };

/** Reads a length as seconds; undefined for what is none. A number without a unit is none: seconds and minutes are easily mistaken. */
export function parseLength(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === "0") return 0;
  if (!/^(\d+\s*[a-z]+\s*)+$/.test(trimmed)) return undefined;
  let sum = 0;
  for (const [, number, unit] of trimmed.matchAll(/(\d+)\s*([a-z]+)/g)) {
    const size = Object.hasOwn(units, unit!) ? units[unit!] : undefined;
    if (size === undefined) return undefined;
    sum += Number(number) * size;
  }
  return sum;
}

/** Writes seconds so that parseLength reads them back: nothing is rounded. */
export function writeLength(seconds: number): string {
  let left = seconds;
  const parts = sizes.flatMap(([unit, size]) => {
    const n = Math.floor(left / size);
    left -= n * size;
    return n > 0 ? [`${n} ${unit}`] : [];
  });
  return parts.join(" ") || "0 s";
}
