import { useState } from "react";
import { useGetBadge, useMakeBadge, useRevokeBadge } from "@/api/badges";
import { useCanEdit } from "@/api/session";
import type { Monitor } from "@/api/types";
import { Copyable } from "@/components/Copyable";
import { Confirm, Dialog } from "@/components/Dialog";
import { Failure } from "@/components/Notice";
import { Waiting } from "@/components/Page";
import { TimeAgo } from "@/components/Time";
import { announce } from "@/live/announce";
import { type BadgeFile, badgeFiles, badgeAddress, snippets } from "./badgeSnippets";

/** The badge of a monitor: what it looks like, how to put it into a page, and for editors a way to make and to revoke it. */
export function BadgeView({ monitor, onClose }: { monitor: Monitor; onClose(): void }) {
  const canEdit = useCanEdit();
  const badge = useGetBadge(monitor.id);
  const make = useMakeBadge(monitor.id);
  const revoke = useRevokeBadge(monitor.id);
  const [asking, setAsking] = useState<"replace" | "revoke">();
  const token = badge.data?.token;

  if (asking) {
    const replace = asking === "replace";
    const act = () => (replace ? make : revoke).mutate(undefined, { onSettled: () => setAsking(undefined), onSuccess: () => announce(replace ? "The badge has a new address" : "The badge is revoked") });
    return (
      <Confirm title={replace ? "Give the badge a new address?" : "Revoke the badge?"} word={replace ? "New address" : "Revoke"} danger={!replace} pending={make.isPending || revoke.isPending} onConfirm={act} onClose={() => setAsking(undefined)}>
        Pages that show it show nothing in its place until they are changed.
      </Confirm>
    );
  }
  return (
    <Dialog kind="wide" title={`Badge of “${monitor.name}”`} onClose={onClose}>
      <p className="mb-3 text-ink-2">A small picture for a README or a page of your own. Whoever has its address sees it, and the monitor’s name, without signing in.</p>
      <Failure error={badge.error ?? make.error ?? revoke.error} />
      {badge.isPending && <Waiting rows={1} />}
      {badge.data && !token && (canEdit
        ? <button type="button" className="button button-main" disabled={make.isPending} onClick={() => make.mutate(undefined, { onSuccess: () => announce("The badge is made") })}>Make a badge</button>
        : <p>It has none. An editor can make one.</p>)}
      {token && <Snippets monitor={monitor} token={token} />}
      {token && (
        <div className="mt-4 flex flex-wrap items-center justify-between gap-2 border-t border-line pt-3">
          <p className="text-sm text-ink-2">Made <TimeAgo at={badge.data?.created_at} /></p>
          {canEdit && <div className="flex flex-wrap gap-2"><button type="button" className="button button-small" onClick={() => setAsking("replace")}>New address…</button><button type="button" className="button button-small" onClick={() => setAsking("revoke")}>Revoke…</button></div>}
        </div>
      )}
    </Dialog>
  );
}

function Snippets({ monitor, token }: { monitor: Monitor; token: string }) {
  const [file, setFile] = useState<BadgeFile>("status");
  return (
    <>
      <fieldset>
        <legend className="sr-only">What it says</legend>
        <div className="grid gap-2 sm:grid-cols-3">
          {badgeFiles.map(([value, word]) => (
            <label key={value} className="flex cursor-pointer items-start gap-2.5 rounded-lg border border-line-strong p-3 has-checked:border-accent has-checked:bg-up-soft has-focus-visible:outline-3 has-focus-visible:outline-focus">
              <input type="radio" name="badge" className="check mt-0.5" checked={file === value} onChange={() => setFile(value)} />
              <span className="grid min-w-0 gap-1.5"><b className="font-semibold">{word}</b><img src={badgeAddress(token, value)} alt="" height={20} className="h-5 max-w-full object-contain object-left" /></span>
            </label>
          ))}
        </div>
      </fieldset>
      {snippets(location.origin, monitor, token, file).map(([word, text]) => <Copyable key={word} word={word} text={text} />)}
    </>
  );
}
