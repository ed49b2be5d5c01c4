// Tables as files that spreadsheets and programs read.

export type CsvValue = string | number | boolean | null | undefined;

/**
 * Writes a table as RFC 4180 has it, with a head. A text that a spreadsheet would take for a formula is written with an apostrophe
 * before it: names come from many hands. A negative number stays one.
 */
export function csv(columns: readonly string[], rows: readonly (readonly CsvValue[])[]): string {
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function cell(value: CsvValue): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
