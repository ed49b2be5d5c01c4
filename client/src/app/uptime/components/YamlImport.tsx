import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { parseResources } from "@/api/resources";
import type { ParsedResource, ResourceProblem } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { AreaField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { announce } from "@/live/announce";
import { offsetOf } from "./textPlace";

const example = `apiVersion: v1
kind: TcpCheck
metadata:
  name: orders-db
spec:
  host: db.example.com
  port: 5432
  interval: 30s
  checks:
    - {type: reachable, operator: is, value: true}`;

/** Takes a check that is written as a file, and gives the monitor that it makes. The server reads it, with the parser that it reads files with. */
export function YamlImport({ onTaken, onClose }: { onTaken(taken: ParsedResource): void; onClose(): void }) {
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const parse = useMutation({ mutationFn: parseResources });
  const problems = parse.data?.problems ?? [];
  const errors = problems.filter((p) => !p.warning);
  const several = parse.data && errors.length === 0 && parse.data.resources.length > 1 ? parse.data.resources : [];

  const take = () => parse.mutate(text, {
    onSuccess: (read) => {
      const wrong = read.problems.filter((p) => !p.warning);
      const [only] = read.resources;
      if (wrong.length > 0) {
        announce(wrong.length === 1 ? "There is 1 error" : `There are ${wrong.length} errors`);
        goTo(wrong[0]!);
      } else if (read.resources.length === 1) onTaken(only!);
    },
  });
  /** Puts the cursor where something is wrong. */
  const goTo = (problem: ResourceProblem) => {
    const area = box.current;
    if (!area) return;
    const at = offsetOf(area.value, problem.line, problem.column);
    area.focus();
    area.setSelectionRange(at, at + (problem.value && area.value.startsWith(problem.value, at) ? problem.value.length : 0));
  };

  return (
    <Dialog kind="wide" title="Fill in from YAML" onClose={onClose}>
      <AreaField ref={box} label="Resource" rows={12} hint="A TcpCheck, HttpCheck or TlsCheck, in YAML or JSON." placeholder={example} spellCheck={false} value={text}
        error={parse.data && errors.length === 0 && parse.data.resources.length === 0 ? "There is no resource in it" : errors.length > 0 ? (errors.length === 1 ? "1 error, below" : `${errors.length} errors, below`) : undefined}
        onChange={(e) => { setText(e.target.value); parse.reset(); }} />
      {problems.length > 0 && (
        <ul aria-label="What is wrong" className="mt-3 grid gap-1.5">
          {problems.map((p, i) => <li key={i}><Problem problem={p} onGo={() => goTo(p)} /></li>)}
        </ul>
      )}
      {several.length > 0 && (
        <div className="mt-3">
          <p className="font-medium">Which one?</p>
          <div className="mt-1.5 flex flex-wrap gap-2">{several.map((r) => <button key={r.line} type="button" className="button button-small" onClick={() => onTaken(r)}>{r.kind} {r.name}</button>)}</div>
        </div>
      )}
      {parse.error && <div className="mt-3"><Failure error={parse.error} /></div>}
      <div className="mt-4 flex justify-end gap-2"><button type="button" className="button" onClick={onClose}>Cancel</button><button type="button" className="button button-main" disabled={!text.trim() || parse.isPending} onClick={take}>Fill in</button></div>
    </Dialog>
  );
}

function Problem({ problem: p, onGo }: { problem: ResourceProblem; onGo(): void }) {
  return (
    <button type="button" onClick={onGo} className="w-full rounded-lg border border-line-strong px-3 py-2 text-left text-sm [overflow-wrap:anywhere] hover:bg-raised">
      <span className={`font-semibold ${p.warning ? "text-degraded" : "text-down"}`}>{p.warning ? "Warning" : "Error"} at line {p.line}, column {p.column}:</span>{" "}
      {p.path && <code className="font-mono">{p.path}</code>} {p.message}
      {p.hint && <span className="block">Did you mean <code className="font-mono font-semibold">{p.hint}</code>?</span>}
    </button>
  );
}
