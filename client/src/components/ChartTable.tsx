import { type ReactNode, useState } from "react";

interface Props {
  /** What the table shows; it is its name. */
  name: string;
  /** Heads of the columns; narrow ones are left out where there is no room. */
  columns: readonly { word: string; narrow?: boolean }[];
  /** Makes the rows, once somebody wants them. */
  rows(): { key: string; cells: ReactNode[] }[];
}

/** What a chart draws, as a table, for whoever reads it better or cannot see the drawing. It is made when it is opened. */
export function ChartTable({ name, columns, rows }: Props) {
  const [open, setOpen] = useState(false);
  const className = (i: number) => `${i === 0 ? "whitespace-nowrap" : "num"} ${columns[i]!.narrow ? "max-md:hidden" : ""}`;
  return (
    <details className="mt-2 text-sm" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary className="w-fit text-ink-2">As a table<span className="sr-only">: {name}</span></summary>
      {open && (
        <div tabIndex={0} role="region" aria-label={`${name}, as a table`} className="mt-2 max-h-80 overflow-auto rounded-lg border border-line px-2">
          <table className="data-table" aria-label={name}>
            <thead><tr>{columns.map((c, i) => <th key={c.word} scope="col" className={className(i)}>{c.word}</th>)}</tr></thead>
            <tbody>{rows().map((r) => <tr key={r.key}>{r.cells.map((cell, i) => (i === 0 ? <th key={columns[i]!.word} scope="row" className={className(i)}>{cell}</th> : <td key={columns[i]!.word} className={className(i)}>{cell}</td>))}</tr>)}</tbody>
          </table>
        </div>
      )}
    </details>
  );
}
