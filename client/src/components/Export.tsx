import { Download } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { csv, type CsvValue } from "@/format/csv";
import { announce } from "@/live/announce";

interface Props {
  /** What the file is called, without its ending. */
  name: string;
  /** What is exported, for who hears the button. */
  what: string;
  columns: readonly string[];
  /** Makes the rows of the table, once somebody wants them. */
  rows(): CsvValue[][];
  /** What stands in the JSON file: the same things as the API has them. */
  things(): unknown[];
}

/** Gives what is seen as a file. It is made in the browser, of what was read already. */
export function Export({ name, what, columns, rows, things }: Props) {
  const save = (ending: "csv" | "json") => {
    const text = ending === "csv" ? csv(columns, rows()) : `${JSON.stringify(things(), null, 2)}\n`;
    // Spreadsheets take a file without this mark for one of an older code.
    const blob = new Blob(ending === "csv" ? ["\uFEFF", text] : [text], { type: ending === "csv" ? "text/csv;charset=utf-8" : "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}.${ending}`;
    link.click();
    // The browser takes the file up after this task.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    announce(`${link.download} is saved`);
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="button button-small" aria-label={`Export ${what}`}><Download className="size-4" aria-hidden />Export</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          <DropdownMenu.Item className="menu-item" onSelect={() => save("csv")}>As CSV</DropdownMenu.Item>
          <DropdownMenu.Item className="menu-item" onSelect={() => save("json")}>As JSON</DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
