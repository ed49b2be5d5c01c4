import { afterEach, expect, it, vi } from "vitest";
import { makeQueries, sessionKey, sessionQueries } from "./queries";
import { Refusal } from "./refusal";

afterEach(() => sessionQueries.clear());

const refuse = (status: number) => () => Promise.reject(new Refusal(status));

it("keeps what is read of one organization from every other", async () => {
  const [pond, marsh] = [makeQueries(), makeQueries()];
  let late = (_: string[]) => {};
  const asked = pond.fetchQuery({ queryKey: ["monitors"], queryFn: () => new Promise<string[]>((done) => { late = done; }) });
  marsh.setQueryData(["monitors"], ["heron"]);
  await vi.waitFor(() => expect(pond.isFetching()).toBe(1));
  late(["database"]);
  await asked;
  expect(marsh.getQueryData(["monitors"])).toEqual(["heron"]);
  expect(pond.getQueryData(["monitors"])).toEqual(["database"]);
});

it.each([[401, true], [404, false], [403, false]])("asks who is signed in when a question is refused by %d: %s", async (status, asks) => {
  sessionQueries.setQueryData(sessionKey, { id: "1" });
  await makeQueries().fetchQuery({ queryKey: ["monitors"], queryFn: refuse(status) }).catch(() => {});
  expect(sessionQueries.getQueryState(sessionKey)?.isInvalidated).toBe(asks);
});

it.each([[401, true], [403, true], [400, false]])("asks for the role when a change is refused by %d: %s", async (status, asks) => {
  sessionQueries.setQueryData(sessionKey, { id: "1" });
  const queries = makeQueries();
  await queries.getMutationCache().build(queries, { mutationFn: refuse(status) }).execute(undefined).catch(() => {});
  expect(sessionQueries.getQueryState(sessionKey)?.isInvalidated).toBe(asks);
});
