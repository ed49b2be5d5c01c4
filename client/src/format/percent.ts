/**
 * Writes an uptime percentage. It is cut off, never rounded up: 100 % is said only where nothing was down. Nothing known
 * is a dash, never 100.
 */
export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value === 100) return "100 %";
  const digits = value >= 99.9 ? 3 : value >= 10 ? 2 : 1;
  const scale = 10 ** digits;
  return `${(Math.floor(value * scale + 1e-9) / scale).toFixed(digits)} %`;
}
