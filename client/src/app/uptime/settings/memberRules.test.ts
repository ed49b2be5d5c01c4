import { describe, expect, it } from "vitest";
import type { Member, Role } from "@/api/types";
import { grantable, whyNot } from "./memberRules";

const member = (role: Role, id = role): Member => ({ role, created_at: null, user: { id, email: `${id}@example.com`, name: "", created_at: null } });

describe("who may do what to whom", () => {
  it("gives roles up to the own, and none below admin", () => {
    expect(grantable("owner")).toEqual(["viewer", "editor", "admin", "owner"]);
    expect(grantable("admin")).toEqual(["viewer", "editor", "admin"]);
    expect(grantable("editor")).toEqual([]);
    expect(grantable("viewer")).toEqual([]);
    expect(grantable(undefined)).toEqual([]);
  });
  it("lets editors and viewers change nobody, not even themselves", () => {
    for (const own of ["viewer", "editor", undefined] as const) expect(whyNot(own, member("viewer"), [member("owner"), member("viewer")])).toBe("Admins and owners change members.");
  });
  it("keeps admins from owners, and lets them at each other", () => {
    const all = [member("owner", "a" as Role), member("owner", "b" as Role), member("admin")];
    expect(whyNot("admin", all[0]!, all)).toBe("Only an owner changes an owner.");
    expect(whyNot("admin", all[2]!, all)).toBeNull();
  });
  it("keeps the last owner", () => {
    const one = [member("owner"), member("admin")];
    expect(whyNot("owner", one[0]!, one)).toMatch(/^The only owner/);
    const two = [member("owner", "a" as Role), member("owner", "b" as Role)];
    expect(whyNot("owner", two[0]!, two)).toBeNull();
  });
});
