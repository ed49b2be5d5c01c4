import { expect, it } from "vitest";
import type { NoticeKind } from "@/api/types";
import { sayNotice } from "./noticeWords";

it("says of every kind what it means and what to do", () => {
  for (const kind of ["prober_offline", "observer_fault", "storage_stalled", "history_delayed", "overload", "unplaced", "channel_failing"] as const) {
    const said = sayNotice(kind);
    expect(said.means && said.todo && said.word).toBeTruthy();
  }
});

it("names a kind that it does not know by its own name", () => {
  expect(sayNotice("disk_full" as NoticeKind).word).toBe("disk full");
});
