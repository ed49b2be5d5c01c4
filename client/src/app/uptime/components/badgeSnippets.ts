// How a badge is put into a page.
import type { Monitor } from "@/api/types";

export type BadgeFile = "status" | "uptime" | "response";

export const badgeFiles: readonly [BadgeFile, string][] = [["status", "State"], ["uptime", "Uptime, 30 days"], ["response", "Response time, 1 day"]];

export const badgeAddress = (token: string, file: BadgeFile): string => `/api/uptime/badges/${token}/${file}.svg`;

// Names are people's: what means something to Markdown or HTML is written so that it means itself.
const html = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const markdown = (text: string) => text.replace(/[\\`*_{}[\]()#+\-.!|<>&~]/g, (c) => `\\${c}`);

/** Snippets of Markdown and HTML, and the address that shields.io reads. */
export function snippets(origin: string, monitor: Pick<Monitor, "name">, token: string, file: BadgeFile): [string, string][] {
  const address = origin + badgeAddress(token, file);
  const about = `${{ status: "State", uptime: "Uptime", response: "Response time" }[file]} of ${monitor.name ?? ""}`;
  return [
    ["Markdown", `![${markdown(about)}](${address})`],
    ["HTML", `<img src="${html(address)}" alt="${html(about)}" height="20">`],
    ["For shields.io", address.replace(/\.svg$/, ".json")],
  ];
}
