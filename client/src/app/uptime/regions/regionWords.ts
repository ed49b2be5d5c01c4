// What a region and its probers are, in words, and with which shape.
import type { CurrentStatus, Prober, ProberHealth, Region } from "@/api/types";

export interface Said { status: CurrentStatus; word: string; means: string }

const health: Record<ProberHealth, Omit<Said, "means">> = {
  healthy: { status: "up", word: "Healthy" }, impaired: { status: "degraded", word: "Impaired" }, offline: { status: "down", word: "Offline" }, removed: { status: "paused", word: "Removed" },
};

/** How a prober is, and what that means for what it watches. */
export function sayProber(prober: Prober): Said {
  const is = health[prober.health ?? "offline"] ?? health.offline;
  const faults = (prober.report?.faults ?? []).map((f) => f.message || f.error_type.replaceAll("_", " "));
  const means = {
    healthy: "",
    impaired: faults.join(" ") || "It reports a fault of its own; no target is blamed for what that spoils.",
    offline: "It does not renew its lease. Start it again, or remove it.",
    removed: "It is let in no more.",
  }[prober.health ?? "offline"];
  return { ...is, means };
}

const monitors = (n: number) => (n === 1 ? "1 monitor" : `${n} monitors`);

/** How a region is, and what that means for the monitors that are checked from there. */
export function sayRegion(region: Region, probers: readonly Prober[]): Said {
  const impaired = probers.some((p) => p.health === "impaired");
  if (region.probers === 0) {
    return {
      status: "unknown", word: "No prober",
      means: region.monitors === 0 ? "Nothing is checked from here." : `${monitors(region.monitors)} of this region ${region.monitors === 1 ? "is" : "are"} unknown here until a prober is there: neither up nor down.`,
    };
  }
  if (region.unplaced_monitors > 0) {
    return { status: "degraded", word: "Not all are placed", means: `${monitors(region.unplaced_monitors)} of ${region.monitors} ${region.unplaced_monitors === 1 ? "has" : "have"} no prober that can check ${region.unplaced_monitors === 1 ? "it" : "them"}, and ${region.unplaced_monitors === 1 ? "is" : "are"} unknown here.` };
  }
  const about = region.monitors === 0 ? "No monitor names it yet." : `${monitors(region.monitors)} ${region.monitors === 1 ? "is" : "are"} checked from here.`;
  if (impaired) return { status: "degraded", word: "Impaired", means: `${about} A prober reports a fault of its own.` };
  const alone = region.probers === 1 && region.monitors > 0 ? " If this prober fails, nobody takes over." : "";
  return { status: "up", word: "Healthy", means: about + (region.is_local ? "" : alone) };
}

/** The probers of each region, and of those regions that only a prober names. */
export function byRegion(regions: readonly Region[], probers: readonly Prober[]): { region: Region; probers: Prober[] }[] {
  return regions.map((region) => ({ region, probers: probers.filter((p) => p.region === region.code) }));
}

/** The command that the server gives, with the reader's address where the server does not know its own. */
export const commandHere = (command: string, origin: string) => command.replace("https://YOUR-SERVER", origin);

/** The commands by which a prober is added without this page, as they are for this installation. */
export function joinCommands(origin: string): [word: string, text: string][] {
  return [
    ["Token", `curl -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  -d '{"region": "eu-west"}' ${origin}/api/uptime/probers`],
    ["Prober", `frogup prober --join ${origin} --token "$TOKEN" --region eu-west`],
  ];
}
