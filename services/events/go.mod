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
	github.com/frogstats/uptime/gen v0.0.0
	github.com/frogstats/uptime/internal v0.0.0
)

require (
	github.com/DataDog/sketches-go v1.4.8 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261005182115-fad411399dd8 // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	modernc.org/libc v1.78.0 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
	modernc.org/sqlite v1.60.1 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
