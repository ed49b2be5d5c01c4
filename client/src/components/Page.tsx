import { type ReactNode, useEffect } from "react";

/** The head of a page: its heading, which is the window's title too, and what can be done there. */
export function PageHead({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  useTitle(title);
  return (
    <div className="mb-5 flex flex-wrap items-center justify-between gap-x-4 gap-y-3">
      <div className="min-w-0"><h1>{title}</h1>{about && <p className="text-ink-2">{about}</p>}</div>
      {children && <div className="flex flex-wrap gap-2">{children}</div>}
    </div>
  );
}

export function useTitle(title: string) {
  useEffect(() => { document.title = `${title} · Frogstats Uptime`; }, [title]);
}

/** A part of a page with a heading. */
export function Section({ title, tools, children, className = "" }: { title: ReactNode; tools?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`card p-4 sm:p-5 ${className}`}>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-2"><h2>{title}</h2>{tools}</div>
      {children}
    </section>
  );
}

/** What stands where nothing is yet. whole: it is all that is on the page, so its title is the page's heading. */
export function Empty({ title, whole, children }: { title: string; whole?: boolean; children?: ReactNode }) {
  return <div className="px-4 py-8 text-center">{whole ? <h1>{title}</h1> : <p className="font-semibold">{title}</p>}{children && <div className="mx-auto mt-1 max-w-md text-ink-2">{children}</div>}</div>;
}

/** A grey shape in the place of what is on its way. */
export function Waiting({ rows = 3, className = "h-16" }: { rows?: number; className?: string }) {
  return (
    <div role="status" aria-label="Loading" className="grid gap-2.5">
      {Array.from({ length: rows }, (_, i) => <div key={i} className={`animate-pulse rounded-xl bg-raised ${className}`} />)}
    </div>
  );
}
