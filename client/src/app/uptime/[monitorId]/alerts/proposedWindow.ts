// A maintenance window that a rule is replayed with as if there were it.
import type { BacktestWindow, Draft } from "@/api/types";
import { parseLength } from "@/format/length";
import { instantOf, isZone, wallOf } from "../../maintenance/wall";

export const windowKinds = [["none", "no other maintenance window"], ["once", "a window once"], ["FREQ=DAILY", "a window every day"], ["FREQ=WEEKLY", "a window every week"], ["FREQ=MONTHLY", "a window every month"], ["rrule", "a window by a rule (RRULE)"], ["cron", "a window by cron"]] as const;
export type WindowKind = (typeof windowKinds)[number][0];

export interface ProposedValues { kind: WindowKind; from: string; to: string; length: string; rrule: string; cron: string; zone: string }
export type ProposedField = Exclude<keyof ProposedValues, "kind">;

const DAY = 86_400_000;
const text = (wall: number) => new Date(wall).toISOString().slice(0, 16);

/** What the fields of a kind hold at first: an hour from two o'clock on, last night, or of what comes again from the first night of the range on. */
export function usualWindow(now: number, days: number, zone: string, kind: WindowKind = "none"): ProposedValues {
  const night = Math.floor(wallOf(now - (kind === "once" ? 1 : days) * DAY, zone) / DAY) * DAY + 2 * 3_600_000;
  return { kind, from: text(night), to: text(night + 3_600_000), length: "1 h", rrule: "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=0", cron: "0 2 * * SUN", zone };
}

/** Which fields a kind of window has. */
export function fieldsOf(kind: WindowKind): ProposedField[] {
  if (kind === "none") return [];
  if (kind === "once") return ["from", "to"];
  if (kind === "cron") return ["cron", "length", "zone"];
  return kind === "rrule" ? ["rrule", "from", "length", "zone"] : ["from", "length", "zone"];
}

const wallText = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/** What is wrong with each field, in words. */
export function wrongOf(v: ProposedValues): Partial<Record<ProposedField, string>> {
  const wrong: Partial<Record<ProposedField, string>> = {};
  const has = (name: ProposedField) => fieldsOf(v.kind).includes(name);
  if (has("from") && !wallText.test(v.from)) wrong.from = "A date and a time";
  if (has("to")) {
    if (!wallText.test(v.to)) wrong.to = "A date and a time";
    else if (v.to <= v.from) wrong.to = "It must end after it begins";
  }
  const seconds = parseLength(v.length);
  if (has("length") && seconds === undefined) wrong.length = "A number and a unit: s, min, h or d";
  else if (has("length") && (seconds! < 60 || seconds! > 604_800)) wrong.length = "From 1 min to 7 d";
  if (has("rrule") && !v.rrule.trim()) wrong.rrule = "Which rule?";
  if (has("cron") && !v.cron.trim()) wrong.cron = "Which times?";
  if (has("zone") && !isZone(v.zone.trim())) wrong.zone = "A name such as Europe/Berlin";
  return wrong;
}

/** The window as the server takes it; null when none is proposed, undefined while something is wrong. */
export function toProposed(v: ProposedValues, readersZone: string): Draft<BacktestWindow> | null | undefined {
  if (v.kind === "none") return null;
  if (Object.keys(wrongOf(v)).length > 0) return undefined;
  const at = (wall: string, zone: string) => new Date(instantOf(Date.parse(`${wall.slice(0, 16)}Z`), zone)).toISOString();
  if (v.kind === "once") return { starts_at: at(v.from, readersZone), ends_at: at(v.to, readersZone) };
  const again = { duration_seconds: parseLength(v.length)!, timezone: v.zone.trim() };
  if (v.kind === "cron") return { cron: v.cron.trim(), ...again };
  return { starts_at: at(v.from, v.zone.trim()), rrule: v.kind === "rrule" ? v.rrule.trim() : v.kind, ...again };
}

const serverFields: Record<string, ProposedField> = { starts_at: "from", ends_at: "to", duration_seconds: "length", rrule: "rrule", cron: "cron", timezone: "zone" };

/** Finds the field for the one that the server names; undefined means that none is shown for it. */
export function proposedField(kind: WindowKind, path: string): ProposedField | undefined {
  const name = serverFields[/^maintenance_window\.([a-z_]+)/.exec(path)?.[1] ?? ""];
  return name && fieldsOf(kind).includes(name) ? name : undefined;
}
