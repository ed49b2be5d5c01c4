import { useState } from "react";
import { Dialog } from "@/components/Dialog";
import { AreaField } from "@/components/Field";
import { type FromCurl, fromCurl } from "./curl";

/** Takes a curl command and gives what it says. */
export function CurlImport({ onTaken, onClose }: { onTaken(taken: FromCurl): void; onClose(): void }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string>();
  const take = () => {
    try {
      onTaken(fromCurl(text));
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Dialog kind="wide" title="Fill in from a curl command" onClose={onClose}>
      <AreaField label="Command" rows={7} hint="As browsers and manuals have it. It is only read, never run." placeholder="curl https://example.com/ -H 'Accept: application/json'" spellCheck={false} value={text} error={wrong} onChange={(e) => { setText(e.target.value); setWrong(undefined); }} />
      <div className="mt-4 flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="button" className="button button-main" onClick={take}>Fill in</button></div>
    </Dialog>
  );
}
