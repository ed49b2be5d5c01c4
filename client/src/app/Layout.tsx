// What surrounds every page: the ways, the line to the server, the account, and the gate when nobody is signed in.
import { QueryClientProvider } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { Bell, Boxes, Construction, Globe, ListChecks, Radio, Search, Settings, Siren, WifiOff } from "lucide-react";
import { Fragment, lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { useMove } from "@/api/organizations";
import { makeQueries } from "@/api/queries";
import { isSignedOut } from "@/api/refusal";
import { useSession } from "@/api/session";
import { Failure, Notice } from "@/components/Notice";
import { Waiting } from "@/components/Page";
import type { LineState } from "@/live/stream";
import { useUptimeStream } from "@/live/useUptimeStream";
import { AccountMenu } from "./AccountMenu";
import { Gate } from "./gate/Gate";
import { Notices } from "./Notices";
import { NoOrganization } from "./NoOrganization";
import { OrganizationMenu } from "./OrganizationMenu";
import { useKeepFocus } from "./useKeepFocus";

const CommandPalette = lazy(() => import("./CommandPalette"));

const ways = [
  { to: "/uptime", word: "Monitors", icon: ListChecks, exact: true },
  { to: "/uptime/groups", word: "Groups", icon: Boxes, wide: true },
  { to: "/uptime/incidents", word: "Incidents", icon: Siren },
  { to: "/uptime/maintenance", word: "Maintenance", icon: Construction },
  { to: "/uptime/notifications", word: "Channels", icon: Bell },
  { to: "/uptime/regions", word: "Regions", icon: Globe, wide: true },
  { to: "/uptime/settings", word: "Settings", icon: Settings },
] as const;

export function Layout() {
  const session = useSession();
  const signedIn = Boolean(session.data) && !isSignedOut(session.error);
  const move = useMove();
  // Whose things are shown. Everything below is made anew for another place, with an empty cache and a stream of its own.
  const organization = signedIn ? session.data?.organization : undefined;
  const place = organization && !move.moving ? `${session.data?.user?.id}/${organization.id}` : "";
  const queries = useMemo(makeQueries, [place]);
  const line = useUptimeStream(queries, place !== "");
  const offline = useOffline();
  const [palette, setPalette] = useState(false);
  useShortcut(place !== "", () => setPalette(true));
  useFocusOnNewPage();
  useKeepFocus();

  return (
    <QueryClientProvider client={queries}>
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-card focus:px-4 focus:py-2"
        onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <header className="sticky top-0 z-30 border-b border-line bg-card">
        <div className="mx-auto flex h-14 max-w-6xl items-center gap-1 px-3 sm:px-4">
          <Link to="/uptime" className="mr-3 flex items-center gap-2 text-[1.05rem]"><Brand /><span className="max-[359px]:sr-only">Frogstats <b>Uptime</b></span></Link>
          {organization && <nav aria-label="Main" className="hidden flex-1 gap-0.5 lg:flex">{ways.map((way) => <Way key={way.to} {...way} />)}</nav>}
          <div className="ml-auto flex items-center gap-1">
            {organization && <Line state={line} />}
            {organization && (
              <button type="button" className="button button-plain button-icon" onClick={() => setPalette(true)} aria-label="Go to or do… (Ctrl K)" title="Go to or do… (Ctrl K)"><Search className="size-5" aria-hidden /></button>
            )}
            {signedIn && session.data && <OrganizationMenu session={session.data} />}
            <AccountMenu session={signedIn ? session.data : undefined} />
          </div>
        </div>
      </header>
      {offline && <div className="mx-auto max-w-6xl px-3 pt-3 sm:px-4"><Notice tone="degraded" title="You are offline">What you see is what was known before; it is brought up to date when the network is back.</Notice></div>}
      <main id="main" tabIndex={-1} className={`mx-auto max-w-6xl px-3 pt-5 outline-none sm:px-4 ${organization ? "pb-24 lg:pb-12" : "pb-12"}`}>
        {move.error !== null && <div className="mb-4 grid gap-2"><Failure error={move.error} /><button type="button" className="button button-small justify-self-end" onClick={move.dismiss}>Close</button></div>}
        {!signedIn ? <Outside session={session} /> : move.moving ? <Waiting rows={4} /> : organization ? <Fragment key={place}><Notices /><Outlet /></Fragment> : <NoOrganization />}
      </main>
      {organization && (
        <nav aria-label="Main" className="fixed inset-x-0 bottom-0 z-30 grid grid-cols-5 border-t border-line bg-card pb-[env(safe-area-inset-bottom)] lg:hidden">
          {/* There is room for five; the page of monitors leads to groups and regions. */}
          {ways.filter((way) => !("wide" in way)).map((way) => <Way key={way.to} {...way} small />)}
        </nav>
      )}
      {palette && place !== "" && <Suspense><CommandPalette onClose={() => setPalette(false)} /></Suspense>}
      <div id="announcer" role="status" aria-live="polite" className="sr-only" />
    </QueryClientProvider>
  );
}

function Outside({ session }: { session: ReturnType<typeof useSession> }) {
  if (session.isPending) return <Waiting rows={4} />;
  if (isSignedOut(session.error)) return <Gate />;
  return <Failure error={session.error} retry={() => void session.refetch()} />;
}

function Way({ to, word, icon: Icon, exact, small }: (typeof ways)[number] & { exact?: boolean; small?: boolean }) {
  const shape = small ? "flex-col gap-0.5 py-2 text-[0.64rem] whitespace-nowrap tracking-tight" : "gap-1.5 rounded-lg px-2 py-1.5 text-sm whitespace-nowrap";
  return (
    <Link to={to} activeOptions={{ exact: exact ?? false, includeSearch: false }} className={`flex items-center font-medium ${shape}`}
      activeProps={{ className: small ? "text-accent" : "bg-raised text-ink" }} inactiveProps={{ className: "text-ink-2 hover:text-ink" }}>
      {small && <Icon className="size-5" aria-hidden />}{word}
    </Link>
  );
}

const lineWords: Record<LineState, string> = { live: "Live", waiting: "Reconnecting…", off: "Not live" };

function Line({ state }: { state: LineState }) {
  const Icon = state === "live" ? Radio : WifiOff;
  return (
    <span className={`flex items-center gap-1.5 px-1.5 text-sm ${state === "live" ? "text-up" : "text-ink-2"}`} role="status">
      <Icon className="size-4" aria-hidden /><span className="max-[430px]:sr-only">{lineWords[state]}</span>
    </span>
  );
}

function Brand() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" className="flex-none">
      <path className="fill-accent" d="M16 3a13 13 0 1 0 13 13L16 16l9-9.4A13 13 0 0 0 16 3z" />
      <path className="fill-none stroke-card stroke-2" strokeLinecap="round" strokeLinejoin="round" d="M5 17h5l2.5-5 4 9 2.5-4h3" />
    </svg>
  );
}

function useOffline() {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const look = () => setOffline(!navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
    return () => {
      removeEventListener("online", look);
      removeEventListener("offline", look);
    };
  }, []);
  return offline;
}

function useShortcut(enabled: boolean, open: () => void) {
  useEffect(() => {
    if (!enabled) return;
    const press = (e: KeyboardEvent) => {
      if (e.key.toLowerCase() !== "k" || !(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey) return;
      e.preventDefault();
      open();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [enabled, open]);
}

/** Brings the focus to a page that was gone to: otherwise it stays on a link that may be gone, and nothing is read out. */
function useFocusOnNewPage() {
  const path = useRouterState({ select: (s) => s.resolvedLocation?.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (before.current && path !== before.current) document.getElementById("main")?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
}
