module github.com/frogstats/uptime/services/events

go 1.26.0

replace (
	github.com/frogstats/uptime/gen => ../../gen
	github.com/frogstats/uptime/internal => ../../internal
	github.com/frogstats/uptime/services/accounts => ../../services/accounts
	github.com/frogstats/uptime/services/alerts => ../../services/alerts
	github.com/frogstats/uptime/services/events => ../../services/events
	github.com/frogstats/uptime/services/gateway => ../../services/gateway
	github.com/frogstats/uptime/services/monitors => ../../services/monitors
	github.com/frogstats/uptime/services/prober => ../../services/prober
)

exclude golang.org/x/exp v0.0.0-20261011100332-faecfb24eb49

require (
	github.com/DataDog/sketches-go v1.4.8 // indirect
	github.com/frogstats/uptime/gen v0.0.0
	github.com/frogstats/uptime/internal v0.0.0
	github.com/google/go-cmp v0.7.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
