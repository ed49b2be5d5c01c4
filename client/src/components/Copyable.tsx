import { Check, Copy } from "lucide-react";
import { useRef, useState } from "react";
import { announce } from "@/live/announce";

/** A text that is to be copied, with its name and a button for it. */
export function Copyable({ word, text }: { word: string; text: string }) {
  const [copied, setCopied] = useState("");
  const box = useRef<HTMLPreElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(text);
      announce("Copied");
    } catch {
      // On plain HTTP there is no clipboard: what is to be copied is selected.
      getSelection()?.selectAllChildren(box.current!);
      announce("Selected; copy it by the keyboard");
    }
  };
  return (
    <div className="mt-3">
      <div className="mb-1 flex items-center justify-between gap-2"><p className="font-medium">{word}</p><button type="button" className="button button-small" onClick={() => void copy()} aria-label={`Copy ${word}`}>{copied === text ? <Check className="size-4" aria-hidden /> : <Copy className="size-4" aria-hidden />}Copy</button></div>
      <pre ref={box} tabIndex={0} aria-label={word} className="overflow-x-auto rounded-lg bg-raised p-3 font-mono text-sm break-all whitespace-pre-wrap">{text}</pre>
    </div>
  );
}
