// What the troubles of an installation are called, and what can be done about each.
import type { NoticeKind } from "@/api/types";

interface Words { word: string; means: string; todo: string; at?: "regions" | "channels" }

const words: Record<NoticeKind, Words> = {
  prober_offline: { word: "A prober is offline", means: "Another one of its region has taken over; without one, what is checked from there is unknown.", todo: "Start it again, or remove it.", at: "regions" },
  observer_fault: { word: "A prober has a fault of its own", means: "What it spoils is recorded as not observed, and no target is called down because of it.", todo: "The message says what it lacks.", at: "regions" },
  storage_stalled: { word: "Judgements or alerts cannot be stored", means: "They are tried again until they are.", todo: "Look at PostgreSQL, or at the disk." },
  history_delayed: { word: "Results cannot be stored", means: "Probers keep them, and charts are behind. Alerts go on.", todo: "Look at ClickHouse, or at the disk." },
  overload: { word: "Checks are late or missed", means: "There is not enough capacity for what is due; what was missed is recorded as missed.", todo: "Give the prober more processors, raise max-checks or spool-mib, or put another prober beside it.", at: "regions" },
  unplaced: { word: "Monitors have no prober", means: "They are unknown in that region.", todo: "Start a prober there, or take the region from them.", at: "regions" },
  channel_failing: { word: "A channel does not take its tests", means: "What it is to tell may not arrive.", todo: "Look at the channel's last error, and send a test.", at: "channels" },
};

/** What a kind of notice is called and asks for; of one that is not known, its own name. */
export function sayNotice(kind: NoticeKind | null): Words {
  return (kind && words[kind]) || { word: kind ? String(kind).replaceAll("_", " ") : "Trouble", means: "", todo: "" };
}
