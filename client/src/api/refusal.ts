/** The body of an error, as the gateway writes it. */
export interface RefusalBody {
  error?: string;
  code?: string;
  details?: { field?: string; message?: string }[];
  request_id?: string;
}

/** What the server says is wrong: a sentence, and messages by field. Status 0 means that there was no answer at all. */
export class Refusal extends Error {
  readonly status: number;
  readonly code?: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly requestId?: string;

  constructor(status: number, body?: RefusalBody | null) {
    super((typeof body === "object" && body?.error) || `The server answered ${status}.`);
    this.name = "Refusal";
    this.status = status;
    this.code = body?.code;
    this.requestId = body?.request_id;
    const details = Array.isArray(body?.details) ? body.details : [];
    this.fields = new Map(details.flatMap((d) => (d.field && d.message ? [[d.field, d.message] as const] : [])));
  }
}

/** Whether asking again may help: nothing was wrong with the question. */
export function isPassing(error: unknown): boolean {
  return error instanceof Refusal && (error.status === 0 || error.status >= 500);
}

/** Whether the session is over. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof Refusal && error.status === 401;
}

/** Whether the role is not enough. */
export function isDenied(error: unknown): boolean {
  return error instanceof Refusal && error.status === 403;
}
