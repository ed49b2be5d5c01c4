import { Refusal } from "@/api/refusal";

/**
 * Puts what the server found wrong at the fields of a form, the first of which gets the focus. It returns what no field is there
 * for, to be shown on top; null when all of it stands at a field.
 */
export function placeRefusal<F extends string>(error: unknown, fieldOf: (path: string) => F | undefined, setError: (name: F, error: { message: string }, options: { shouldFocus: boolean }) => void): unknown {
  if (!(error instanceof Refusal) || error.fields.size === 0) return error;
  const left: string[] = [];
  let first = true;
  for (const [path, message] of error.fields) {
    const name = fieldOf(path);
    if (!name) {
      left.push(`${path}: ${message}`);
      continue;
    }
    setError(name, { message }, { shouldFocus: first });
    first = false;
  }
  return left.length > 0 ? new Error(left.join("; ")) : null;
}
