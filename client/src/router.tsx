// Which address shows what. Pages are loaded when they are first gone to; the list comes with the first load.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { type RangeSearch, readRange } from "./app/uptime/[monitorId]/range";
import { Layout } from "./app/Layout";
import { NotFound } from "./app/NotFound";
import { readListSearch } from "./app/uptime/listSearch";
import UptimePage from "./app/uptime/page";
import { PageError } from "./components/ErrorBoundary";

const root = createRootRoute({ component: Layout, notFoundComponent: () => <NotFound />, errorComponent: PageError });
const uptime = "/uptime";

const numberOf = (params: { monitorId: string }) => ({ monitorId: /^\d+$/.test(params.monitorId) ? Number(params.monitorId) : Number.NaN });
const monitorParams = { parse: numberOf, stringify: (params: { monitorId: number }) => ({ monitorId: String(params.monitorId) }) };

const home = createRoute({ getParentRoute: () => root, path: "/", beforeLoad: () => { throw redirect({ to: uptime, replace: true }); } });
// The one-time link leads here. Who is signed in has nothing to set up.
const setup = createRoute({
  getParentRoute: () => root, path: "/setup",
  validateSearch: (search: Record<string, unknown>): { token?: string } => (typeof search.token === "string" ? { token: search.token } : {}),
  component: lazyRouteComponent(() => import("./app/gate/AlreadySetUp")),
});

const list = createRoute({ getParentRoute: () => root, path: uptime, validateSearch: readListSearch, component: UptimePage });
const create = createRoute({
  getParentRoute: () => root, path: "/uptime/create",
  validateSearch: (search: Record<string, unknown>): { copy?: number } => (Number.isInteger(search.copy) ? { copy: search.copy as number } : {}),
  component: lazyRouteComponent(() => import("./app/uptime/create/page")),
});
const incidents = createRoute({
  getParentRoute: () => root, path: "/uptime/incidents",
  validateSearch: (search: Record<string, unknown>): { all?: boolean } => (search.all === true ? { all: true } : {}),
  component: lazyRouteComponent(() => import("./app/uptime/incidents/page")),
});
const incident = createRoute({
  getParentRoute: () => root, path: "/uptime/incidents/$incidentId",
  params: {
    parse: (params: { incidentId: string }) => ({ incidentId: /^\d+$/.test(params.incidentId) ? Number(params.incidentId) : Number.NaN }),
    stringify: (params: { incidentId: number }) => ({ incidentId: String(params.incidentId) }),
  },
  component: lazyRouteComponent(() => import("./app/uptime/incidents/[incidentId]/page")),
});
const groups = createRoute({
  getParentRoute: () => root, path: "/uptime/groups",
  validateSearch: (search: Record<string, unknown>): { group?: number } => (typeof search.group === "number" ? { group: search.group } : {}),
  component: lazyRouteComponent(() => import("./app/uptime/groups/page")),
});
const maintenance = createRoute({
  getParentRoute: () => root, path: "/uptime/maintenance",
  validateSearch: (search: Record<string, unknown>): { monitor?: number } => (Number.isInteger(search.monitor) ? { monitor: search.monitor as number } : {}),
  component: lazyRouteComponent(() => import("./app/uptime/maintenance/page")),
});
const notifications = createRoute({
  getParentRoute: () => root, path: "/uptime/notifications",
  validateSearch: (search: Record<string, unknown>): { tab?: string } => (typeof search.tab === "string" ? { tab: search.tab } : {}),
  component: lazyRouteComponent(() => import("./app/uptime/notifications/page")),
});
const regions = createRoute({ getParentRoute: () => root, path: "/uptime/regions", component: lazyRouteComponent(() => import("./app/uptime/regions/page")) });
const notices = createRoute({ getParentRoute: () => root, path: "/uptime/notices", component: lazyRouteComponent(() => import("./app/uptime/notices/page")) });
const settings = createRoute({
  getParentRoute: () => root, path: "/uptime/settings",
  validateSearch: (search: Record<string, unknown>): { tab?: string } => (typeof search.tab === "string" ? { tab: search.tab } : {}),
  // Probers used to stand there.
  beforeLoad: ({ search }) => { if (search.tab === "probers") throw redirect({ to: "/uptime/regions", replace: true }); },
  component: lazyRouteComponent(() => import("./app/uptime/settings/page")),
});
const detail = createRoute({
  getParentRoute: () => root, path: "/uptime/$monitorId", params: monitorParams,
  validateSearch: (search: Record<string, unknown>): RangeSearch & { region?: string; incident?: number } => ({
    ...readRange(search), ...(typeof search.region === "string" ? { region: search.region } : {}), ...(Number.isInteger(search.incident) ? { incident: search.incident as number } : {}),
  }),
  // Messages used to lead here.
  beforeLoad: ({ search }) => { if (search.incident) throw redirect({ to: "/uptime/incidents/$incidentId", params: { incidentId: search.incident }, replace: true }); },
  component: lazyRouteComponent(() => import("./app/uptime/[monitorId]/page")),
});
const edit = createRoute({ getParentRoute: () => root, path: "/uptime/$monitorId/edit", params: monitorParams, component: lazyRouteComponent(() => import("./app/uptime/[monitorId]/edit/page")) });
const alerts = createRoute({ getParentRoute: () => root, path: "/uptime/$monitorId/alerts", params: monitorParams, component: lazyRouteComponent(() => import("./app/uptime/[monitorId]/alerts/page")) });

export const router = createRouter({
  routeTree: root.addChildren([home, setup, list, create, groups, incidents, incident, maintenance, notifications, regions, notices, settings, detail, edit, alerts]),
  defaultPreload: "intent",
  defaultErrorComponent: PageError,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
