// Checks that are written as files, read by the parser that the command line has.
import { answer, client } from "./client";
import type { ParsedResources } from "./types";

/** Reads resources in YAML or JSON. What is wrong with them stands in the answer; it is no failure. */
export function parseResources(text: string): Promise<ParsedResources> {
  return answer<ParsedResources>(client.POST("/api/uptime/resources:parse", { body: { text } }));
}
