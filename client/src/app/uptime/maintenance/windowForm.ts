// What the form of a maintenance window holds, and how it becomes a window and back.
import { z } from "zod";
import type { Draft, MaintenanceWindow } from "@/api/types";
import { parseLength, writeLength } from "@/format/length";
import { zone as readersZone } from "@/format/zone";
import type { Schedule } from "./occurrences";
import { instantOf, isZone, wallOf } from "./wall";

// The quick way that zod checks objects needs eval, which the content policy forbids; asking for it would be reported.
z.config({ jitless: true });

export const kinds = [["once", "Once"], ["FREQ=DAILY", "Every day"], ["FREQ=WEEKLY", "Every week"], ["FREQ=MONTHLY", "Every month"], ["rrule", "By a rule (RRULE)"], ["cron", "By cron"]] as const;
type Kind = (typeof kinds)[number][0];

const wallText = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

export const windowSchema = z
  .object({
    name: z.string().trim().max(200, "At most 200 characters"),
    description: z.string().trim().max(2000, "At most 2000 characters"),
    monitor_ids: z.array(z.number()),
    labels: z.string(),
    kind: z.enum(kinds.map(([value]) => value)),
    from: z.string(),
    to: z.string(),
    length: z.string(),
    rrule: z.string().trim(),
    cron: z.string().trim(),
    zone: z.string().trim(),
  })
  .superRefine((v, ctx) => {
    const issue = (path: string, message: string) => ctx.addIssue({ code: "custom", path: [path], message });
    if (v.monitor_ids.length === 0 && labelsOf(v).length === 0) issue("monitor_ids", "Choose a monitor, or name a label below");
    if (!wallText.test(v.from)) issue("from", "A date and a time");
    if (v.kind === "once") {
      if (!wallText.test(v.to)) issue("to", "A date and a time");
      else if (v.to <= v.from) issue("to", "It must end after it begins");
      return;
    }
    const seconds = parseLength(v.length);
    if (seconds === undefined) issue("length", "A number and a unit: s, min, h or d");
    else if (seconds < 60 || seconds > 604_800) issue("length", "From 1 min to 7 d");
    if (v.kind === "rrule" && !v.rrule) issue("rrule", "Which rule?");
    if (v.kind === "cron" && !v.cron) issue("cron", "Which times?");
    if (!isZone(v.zone)) issue("zone", "A name such as Europe/Berlin");
  });

export type WindowValues = z.infer<typeof windowSchema>;

const labelsOf = (v: Pick<WindowValues, "labels">) => v.labels.split(",").map((l) => l.trim()).filter(Boolean);

/** A moment as an input of the kind datetime-local takes it, on the clock of a zone. */
const shown = (t: number, zone: string) => new Date(wallOf(t, zone)).toISOString().slice(0, 16);

/** The moment that such an input says. */
const said = (text: string, zone: string) => instantOf(Date.parse(`${text}Z`), zone);

/** Fills the form from a window, or for one of an hour from now on. */
export function toWindowValues(now: number, w?: MaintenanceWindow): WindowValues {
  const again = Boolean(w?.rrule ?? w?.cron);
  const zone = again ? w?.timezone || "UTC" : readersZone();
  const start = w?.starts_at ? Date.parse(w.starts_at) : now;
  const end = w?.ends_at ? Date.parse(w.ends_at) : start + 3_600_000;
  const preset = kinds.find(([value]) => value === w?.rrule)?.[0];
  return {
    name: w?.name ?? "", description: w?.description ?? "", monitor_ids: [...(w?.monitor_ids ?? [])], labels: (w?.labels ?? []).join(", "),
    kind: w?.cron ? "cron" : w?.rrule ? (preset ?? "rrule") : "once", from: shown(start, zone), to: shown(end, zone), length: writeLength(w?.duration_seconds ?? 3600),
    rrule: w?.rrule ?? "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", cron: w?.cron ?? "30 2 * * SUN", zone,
  };
}

/** When it begins, to the moment if the form still says what was read. */
function startOf(v: WindowValues, now: number, base?: MaintenanceWindow): number {
  const zone = v.kind === "once" ? readersZone() : v.zone;
  const kept = base?.starts_at ? Date.parse(base.starts_at) : now;
  return shown(kept, zone) === v.from.slice(0, 16) ? kept : said(v.from, zone);
}

/** What the form says about when it comes again; undefined while it says nothing that can be read, and of what comes once. */
export function toSchedule(v: WindowValues, now: number, base?: MaintenanceWindow): Schedule | undefined {
  const seconds = parseLength(v.length);
  if (v.kind === "once" || !seconds || !wallText.test(v.from) || !isZone(v.zone)) return undefined;
  const rule = v.kind === "cron" ? { cron: v.cron } : { rrule: v.kind === "rrule" ? v.rrule : (v.kind as string) };
  return { ...rule, zone: v.zone, start: startOf(v, now, base), length: seconds * 1000 };
}

/** Makes the body of a creation or a change. now is when the form was opened; base is the window that is changed, if one is. */
export function toWindow(v: WindowValues, now: number, base?: MaintenanceWindow): Draft<MaintenanceWindow> {
  const start = startOf(v, now, base);
  const draft: Draft<MaintenanceWindow> = { name: v.name || "Maintenance", description: v.description || null, monitor_ids: v.monitor_ids, labels: labelsOf(v) };
  // What is as it was is not sent; and of a new one that begins at once, the server says what now is.
  if (base ? start !== Date.parse(base.starts_at ?? "") : v.kind !== "once" || start > now) draft.starts_at = new Date(start).toISOString();
  const when: Draft<MaintenanceWindow> = v.kind === "once"
    ? { ends_at: endOf(v, base) }
    : { duration_seconds: parseLength(v.length)!, timezone: v.zone, ...(v.kind === "cron" ? { cron: v.cron } : { rrule: v.kind === "rrule" ? v.rrule : v.kind }) };
  return { ...draft, ...(base ? { ends_at: null, rrule: null, cron: null, timezone: null, duration_seconds: null } : {}), ...when };
}

function endOf(v: WindowValues, base?: MaintenanceWindow): string {
  const kept = base?.ends_at ? Date.parse(base.ends_at) : Number.NaN;
  return new Date(!Number.isNaN(kept) && shown(kept, readersZone()) === v.to.slice(0, 16) ? kept : said(v.to, readersZone())).toISOString();
}

const fields: Record<string, keyof WindowValues> = {
  name: "name", description: "description", monitor_ids: "monitor_ids", labels: "labels", starts_at: "from", ends_at: "to", duration_seconds: "length", rrule: "rrule", cron: "cron", timezone: "zone",
};

/** Finds the field of the form for the field that the server names; undefined means that the form shows none. */
export function windowField(kind: Kind, path: string): keyof WindowValues | undefined {
  const name = fields[path.replace(/[[.].*/, "")];
  const hidden: Partial<Record<keyof WindowValues, boolean>> = { to: kind !== "once", length: kind === "once", zone: kind === "once", rrule: kind !== "rrule", cron: kind !== "cron" };
  if (name === "rrule" && hidden.rrule && kind.startsWith("FREQ")) return "kind";
  return name && !hidden[name] ? name : undefined;
}
