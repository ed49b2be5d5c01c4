import { Check, Copy } from "lucide-react";
import { useRef, useState } from "react";
import type { Monitor } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { announce } from "@/live/announce";
import { toYaml } from "./yaml";

/** A monitor's configuration as YAML, to be copied. */
export function YamlView({ monitor, onClose }: { monitor: Monitor; onClose(): void }) {
  const [copied, setCopied] = useState(false);
  const box = useRef<HTMLPreElement>(null);
  const text = toYaml(monitor);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      announce("Copied");
    } catch {
      // On plain HTTP there is no clipboard: what is to be copied is selected.
      getSelection()?.selectAllChildren(box.current!);
      announce("Selected; copy it by the keyboard");
    }
  };
  return (
    <Dialog kind="wide" title={`“${monitor.name}” as YAML`} onClose={onClose}>
      <div className="mb-2 flex flex-wrap items-center justify-between gap-2">
        <p className="text-sm text-ink-2">The fields of the REST interface. Stored credentials are not in it.</p>
        <button type="button" className="button button-small" onClick={() => void copy()}>{copied ? <Check className="size-4" aria-hidden /> : <Copy className="size-4" aria-hidden />}{copied ? "Copied" : "Copy"}</button>
      </div>
      <pre ref={box} tabIndex={0} aria-label="YAML" className="overflow-x-auto rounded-lg bg-raised p-3 font-mono text-sm whitespace-pre-wrap">{text}</pre>
    </Dialog>
  );
}
