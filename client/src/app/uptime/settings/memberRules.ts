// Who may do what to whom, as the server judges it: said beforehand, so that nothing is offered that is refused.
import type { Member, Role } from "@/api/types";

export const roles: readonly { role: Role; word: string; may: string }[] = [
  { role: "viewer", word: "Viewer", may: "sees everything, changes nothing" },
  { role: "editor", word: "Editor", may: "also changes monitors, alert rules, maintenance windows and incidents" },
  { role: "admin", word: "Admin", may: "also changes channels, API keys, probers and members, and reads the audit log" },
  { role: "owner", word: "Owner", may: "also makes owners, and changes them; there is always one" },
];

const rank = (role: Role | null | undefined) => roles.findIndex((r) => r.role === role);

/** The roles that somebody may give: those up to the own. */
export function grantable(own: Role | undefined): Role[] {
  return rank(own) < rank("admin") ? [] : roles.slice(0, rank(own) + 1).map((r) => r.role);
}

/** Why somebody with the role own may neither change nor remove a member; null if that is allowed. */
export function whyNot(own: Role | undefined, member: Member, all: readonly Member[]): string | null {
  if (rank(own) < rank("admin")) return "Admins and owners change members.";
  if (rank(member.role) > rank(own)) return "Only an owner changes an owner.";
  if (member.role === "owner" && all.filter((m) => m.role === "owner").length === 1) return "The only owner: an organization needs one. Make somebody else owner first.";
  return null;
}
