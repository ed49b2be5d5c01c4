/**
 * Where a place of a text is, as a number of UTF-16 units, of which browsers count selections. Lines and columns count from 1,
 * columns in characters; what lies beyond is the end.
 */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let n = 1; n < line; n++) {
    const end = text.indexOf("\n", start);
    if (end < 0) return text.length;
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  const characters = [...text.slice(start, end < 0 ? undefined : end)];
  return start + characters.slice(0, column - 1).join("").length;
}
