module github.com/frogstats/uptime

go 1.26.0

replace (
	github.com/frogstats/uptime/gen => ./gen
	github.com/frogstats/uptime/internal => ./internal
	github.com/frogstats/uptime/services/accounts => ./services/accounts
	github.com/frogstats/uptime/services/monitors => ./services/monitors
	github.com/frogstats/uptime/services/prober => ./services/prober
	github.com/frogstats/uptime/services/events => ./services/events
	github.com/frogstats/uptime/services/alerts => ./services/alerts
	github.com/frogstats/uptime/services/gateway => ./services/gateway
)
