import { Component, type ReactNode } from "react";
import { Refusal } from "@/api/refusal";
import { Notice } from "./Notice";

/** What is shown in the place of a page that failed. */
export function PageError({ error, reset }: { error: unknown; reset?: () => void }) {
  const text = error instanceof Error ? error.message : String(error);
  return (
    <div className="mx-auto max-w-xl p-4">
      <Notice tone="down" title="This page failed">
        <p className="my-1">{text}</p>
        {error instanceof Refusal && error.requestId && <p className="my-1 text-sm text-ink-2">Request {error.requestId}</p>}
        <div className="mt-3 flex gap-2">
          {reset && <button type="button" className="button" onClick={reset}>Try again</button>}
          <button type="button" className="button" onClick={() => location.reload()}>Load anew</button>
        </div>
      </Notice>
    </div>
  );
}

/** Catches what fails outside of any page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    return this.state.error ? <PageError error={this.state.error} /> : this.props.children;
  }
}
