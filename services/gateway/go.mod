module github.com/frogstats/uptime/services/gateway

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
	github.com/google/go-cmp v0.7.0
	github.com/grpc-ecosystem/grpc-gateway/v2 v2.32.0
	google.golang.org/genproto/googleapis/api v0.0.0-20261012220534-4341edf3f941
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require (
	buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go v1.36.12-20260825204119-511051f7f437.2 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261005182115-fad411399dd8 // indirect
	google.golang.org/grpc v1.85.0 // indirect
)
