package app

// How settings are given, for the end of every role's help.
const settingsHelp = `
Every setting can be given as a flag, as FROGUP_<NAME> in the environment, or as a key of
the YAML file that --config or FROGUP_CONFIG names; the flag is the strongest, the file the
weakest. Secrets and the addresses of stores can stand in files of their own:
FROGUP_<NAME>_FILE. What is unknown or cannot be meant is refused by name.
"frogup config print" shows what is in effect, and where it comes from.`

const memberHelp = `
Services prove to one another who they are by certificates (--tls-cert, --tls-key, --tls-ca;
frogup certs makes some for development) and by the key that all of them share
(--cluster-key). Replaced certificate files are read anew without a restart. The order of
starting does not matter: what is not there yet is called again.

On SIGTERM a service says at once that it is not ready, serves on for --shutdown-delay, then
lets requests finish for 8 seconds. A second signal stops it at once.`

const egressHelp = `
Which addresses checks and webhooks may reach is the egress policy: "private" (the
default) allows private and loopback addresses, "public-only" does not; link-local
and cloud metadata addresses are refused in both. "allow CIDR" and "deny CIDR" add
exceptions: --egress public-only --egress "allow 10.1.0.0/16".`

const ownerHelp = `
The first owner is created from FROGUP_ADMIN_EMAIL and FROGUP_ADMIN_PASSWORD (and
an API key from FROGUP_ADMIN_API_KEY), or their _FILE forms. Without them a one-time
set-up link is printed.`

const databaseHelp = `
A database that does not answer yet is tried again for --startup-timeout; then the service
ends with an error. Its tables are made, and brought up to date, at each start; several
replicas may start at once.`

const serveHelp = `Serve runs every service in one process and keeps everything in the data folder.
It prints one line "listening on http://…" when it is ready, and stops in order
on SIGTERM or Ctrl-C; a second signal stops it at once.
` + ownerHelp + `
` + egressHelp + `

One process can run on database servers too: --database and --history name them. The
data folder then holds the keys alone.
` + settingsHelp

const accountsHelp = `Accounts knows people, organizations, roles, sessions and API keys, and tells the gateway
who is calling. Any number of replicas may share a database.
` + ownerHelp + `
The link leads to the gateway, whose address --public-url says.
` + databaseHelp + `
` + memberHelp + `
` + settingsHelp

const monitorsHelp = `Two things. With a command, monitors speaks to a running server over its REST surface:
list, show, create and delete what it watches; see frogup monitors list --help.

Without one, monitors runs the monitors service: what is watched, how often, from where.
It hands probers their assignments, with the credentials that it keeps sealed under
--secret-keyset. Any number of replicas may share a database.
` + databaseHelp + `
` + memberHelp + `
` + settingsHelp

const proberHelp = `Prober runs checks: it follows what the monitors service assigns to its region, and hands
each result to the events service. It has no database and needs no keys but the
cluster's. Checks go on while the other services are away; results wait in memory.

Several probers of a region share its monitors; give each a --prober-id.

A remote prober has none of that: frogup prober --join https://server --token TOKEN joins
a server with a token (POST /api/uptime/probers), and works through one connection
outwards, also behind NAT and an HTTP proxy (HTTPS_PROXY). Who it is stands in --data.
` + egressHelp + `
` + memberHelp + `
` + settingsHelp

const eventsHelp = `Events keeps every result, derives what is up, down or unknown, announces changes, and
answers statistics. States live in --database, results in --history.

One process at a time judges. Another one on the same database waits until the first has
gone, and takes over; it opens its port only then. While the history is away, judging and
announcing go on, and probers keep what is not stored.
` + databaseHelp + `
` + memberHelp + `
` + settingsHelp

const alertsHelp = `Two things. With a command, alerts speaks to a running server over its REST surface; see
frogup alerts backtest --help.

Without one, alerts runs the alerts service: it follows the announcements of the events
service, opens and settles incidents, and gets notifications through. Any number of
replicas may share a database.
` + egressHelp + `
` + databaseHelp + `
` + memberHelp + `
` + settingsHelp

const gatewayHelp = `Gateway is the one service that the outside talks to: REST at /api, server-sent events,
and the page. It keeps nothing; any number may run behind a balancer, which should ask
/readyz. It is ready when accounts, monitors, events and alerts are; without a prober all
but checks on demand works.
` + memberHelp + `
` + settingsHelp
