// What was read is kept by organization: each has a cache of its own, so that an answer that comes late, or a page that shows
// what it had before, never shows one organization's things in another. Who is signed in is kept apart, as it decides which.
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { isDenied, isPassing, isSignedOut } from "./refusal";

export const sessionKey = ["session"] as const;

function askAgain() {
  void sessionQueries.invalidateQueries({ queryKey: sessionKey });
}

/** Makes an empty cache. What learns in it that the session is over, or the role another, has the session asked for again. */
export function makeQueries(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: (error, query) => { if (isSignedOut(error) && query.queryKey[0] !== sessionKey[0]) askAgain(); } }),
    mutationCache: new MutationCache({ onError: (error) => { if (isSignedOut(error) || isDenied(error)) askAgain(); } }),
    defaultOptions: {
      queries: { retry: (failures, error) => failures < 2 && isPassing(error), staleTime: 5_000 },
      mutations: { networkMode: "always" },
    },
  });
}

/** Who is signed in, in which organizations. It outlives a change of either. */
export const sessionQueries: QueryClient = makeQueries();
