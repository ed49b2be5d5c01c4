// The one way to the server: typed by its OpenAPI document, errors as Refusal.
import createClient from "openapi-fetch";
import { Refusal, type RefusalBody } from "./refusal";
import type { paths } from "./schema";

export const client = createClient<paths>({
  baseUrl: "/",
  credentials: "same-origin",
  headers: { Accept: "application/json" },
  // The API repeats a parameter that has several values.
  querySerializer: { array: { style: "form", explode: true } },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Waits for an answer and returns what it holds; throws a Refusal for everything that is none. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await answerWithHeaders(call)).data;
}

/** Like answer, with the headers: pages of lists name the next one there. */
export async function answerWithHeaders<T>(call: Promise<Answer<T>>): Promise<{ data: T; headers: Headers }> {
  let got: Answer<T>;
  try {
    got = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    if (cause instanceof SyntaxError) throw new Refusal(502, { error: "The server answered with something that is not JSON." });
    throw new Refusal(0, { error: "The server cannot be reached." });
  }
  if (!got.response.ok) throw new Refusal(got.response.status, got.error as RefusalBody);
  return { data: got.data as T, headers: got.response.headers };
}
