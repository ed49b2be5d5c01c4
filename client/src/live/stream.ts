// The server's stream of news, for as long as the session lasts.
import type { FeedEntry } from "./applyFeed";

/** live: news comes in; waiting: the line was lost and is being got back; off: there is none, as nobody is signed in. */
export type LineState = "live" | "waiting" | "off";

export interface StreamHandlers {
  line(state: LineState): void;
  /** News of the last moment, in order. */
  news(entries: FeedEntry[]): void;
  /** So much was missed that everything must be read anew. */
  reset(): void;
  /** The line broke; whether that is because the session is over, or in another organization by now, must be asked. */
  broken(): void;
}

// News is handed on in handfuls: in a storm a thousand changes would otherwise be a thousand drawings.
const HANDFUL_MS = 150;
const REOPEN_MS = 5_000;

/** Follows the stream until the returned function is called. */
export function followStream(handlers: StreamHandlers): () => void {
  let source: EventSource | null = null;
  let pending: FeedEntry[] = [];
  let handing: ReturnType<typeof setTimeout> | undefined;
  let reopening: ReturnType<typeof setTimeout> | undefined;
  let interrupted = false;

  const hand = () => {
    handing = undefined;
    const entries = pending;
    pending = [];
    handlers.news(entries);
  };
  const receive = (event: MessageEvent<string>) => {
    pending.push(JSON.parse(event.data) as FeedEntry);
    handing ??= setTimeout(hand, HANDFUL_MS);
  };

  function open() {
    const stream = new EventSource("/api/uptime/stream");
    source = stream;
    stream.addEventListener("open", () => {
      // The browser comes back with the id of the last event and misses nothing; a stream that had to be opened anew does not.
      if (interrupted) handlers.reset();
      interrupted = false;
      handlers.line("live");
    });
    stream.addEventListener("status", receive);
    stream.addEventListener("result", receive);
    stream.addEventListener("reset", () => handlers.reset());
    stream.addEventListener("error", () => {
      handlers.line("waiting");
      handlers.broken();
      if (stream.readyState !== EventSource.CLOSED) return; // it comes back by itself
      interrupted = true;
      reopening = setTimeout(open, REOPEN_MS);
    });
  }

  open();
  return () => {
    clearTimeout(handing);
    clearTimeout(reopening);
    source?.close();
    handlers.line("off");
  };
}
