import { useState } from "react";
import { useChangeNote, useGetIncidentNotes } from "@/api/incidents";
import { useCanEdit, useIsAdmin } from "@/api/session";
import type { IncidentNote } from "@/api/types";
import { Confirm } from "@/components/Dialog";
import { Field } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { Waiting } from "@/components/Page";
import { Moment } from "@/components/Time";

export const NOTE_LIMIT = 10_000;

/** What people wrote about the incident, and where they write. */
export function Notes({ incidentId }: { incidentId: number }) {
  const notes = useGetIncidentNotes(incidentId);
  const change = useChangeNote(incidentId);
  const canEdit = useCanEdit();
  return (
    <div className="grid gap-4">
      <Failure error={notes.error} retry={() => void notes.refetch()} />
      {notes.isPending && <Waiting rows={1} />}
      {notes.data?.length === 0 && <p className="text-ink-2">{canEdit ? "None yet. Write down what was found and what was done." : "None yet."}</p>}
      {notes.data && notes.data.length > 0 && <ul className="grid gap-3">{notes.data.map((n) => <Note key={n.id} note={n} incidentId={incidentId} />)}</ul>}
      {canEdit && <NoteForm label="New note" word="Add note" pending={change.isPending} error={change.error} onSave={(text, done) => change.mutate({ kind: "create", text }, { onSuccess: done })} />}
    </div>
  );
}

function Note({ note, incidentId }: { note: IncidentNote; incidentId: number }) {
  const canEdit = useCanEdit();
  const admin = useIsAdmin();
  const change = useChangeNote(incidentId);
  const [doing, setDoing] = useState<"edit" | "delete" | null>(null);
  return (
    <li className="rounded-lg border border-line bg-paper p-3">
      <div className="mb-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-2">
        <b className="font-semibold text-ink [overflow-wrap:anywhere]">{note.author}</b><Moment at={note.created_at} />
        {note.edited_at && <span>edited <Moment at={note.edited_at} /></span>}
        {canEdit && (note.mine || admin) && doing !== "edit" && (
          <span className="flex gap-2 sm:ml-auto">
            <button type="button" className="button button-small" aria-label={`Edit the note by ${note.author}`} onClick={() => setDoing("edit")}>Edit</button>
            <button type="button" className="button button-small" aria-label={`Delete the note by ${note.author}`} onClick={() => setDoing("delete")}>Delete</button>
          </span>
        )}
      </div>
      {doing === "edit"
        ? <NoteForm label="Text of the note" word="Save" text={note.text} pending={change.isPending} error={change.error} onCancel={() => setDoing(null)} onSave={(text) => change.mutate({ kind: "update", id: note.id, text }, { onSuccess: () => setDoing(null) })} />
        : <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">{note.text}</p>}
      {doing !== "edit" && <Failure error={change.error} />}
      {doing === "delete" && (
        <Confirm title="Delete the note?" word="Delete" danger pending={change.isPending} onClose={() => setDoing(null)} onConfirm={() => change.mutate({ kind: "delete", id: note.id }, { onSuccess: () => setDoing(null) })}>
          It is gone then; the audit log keeps what it said.
        </Confirm>
      )}
    </li>
  );
}

function NoteForm({ label, word, text: old = "", pending, error, onSave, onCancel }: {
  label: string; word: string; text?: string; pending: boolean; error: unknown; onSave(text: string, done: () => void): void; onCancel?(): void;
}) {
  const [text, setText] = useState(old);
  const length = [...text].length;
  const wrong = length > NOTE_LIMIT ? `It has ${length} characters; ${NOTE_LIMIT} are the most.` : undefined;
  return (
    <form className="grid gap-2" onSubmit={(e) => { e.preventDefault(); onSave(text, () => setText("")); }}>
      <Field label={label} error={wrong}>{(a) => <textarea {...a} rows={3} className="input" autoFocus={onCancel !== undefined} value={text} onChange={(e) => setText(e.target.value)} />}</Field>
      <Failure error={error} />
      <div className="flex flex-wrap gap-2">
        <button type="submit" className="button button-main" disabled={pending || Boolean(wrong) || !text.trim() || text === old}>{word}</button>
        {onCancel && <button type="button" className="button" onClick={onCancel}>Cancel</button>}
      </div>
    </form>
  );
}
