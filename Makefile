# Every chore of the repository. `make` alone lists them.
# Running, testing and building need Go and Node only; the tools of the other
# verbs are pinned in tools/ and are built into .bin/ when they are first needed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
BIN := $(CURDIR)/.bin
# The workspace's modules, and the tools' own that can be tidied: tools/buf cannot,
# because a dependency that only its tests need is not to be had, and tools/lint
# would need the tests of all linters.
MODULES := . gen internal $(wildcard services/*)
TOOL_MODULES := tools/plugins tools/testreport tools/chengine tools/slowdisk

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The race detector needs a C compiler, which a bare machine may not have. SQLite itself, which is C turned into Go, is not
# watched by it: its locks are its own, and watched it takes several times as long as all that is ours.
UNWATCHED := -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc/...=-race=false
RACE = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race $(UNWATCHED),)

DATA ?= data
LISTEN ?= 127.0.0.1:8080
BENCH ?= .
FUZZTIME ?= 30s
FORM ?= solo
TESTFLAGS ?=

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: build ## build and start the whole product on LISTEN, its data in DATA
	bin/frogup serve --data $(DATA) --listen $(LISTEN)

.PHONY: build
build: ## build the static binary bin/frogup
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/frogup ./cmd/frogup

.PHONY: test
# The scenarios of e2e wait more than they compute, so they go beside the others, first as one process and then as a suite. Their report
# comes after: lines of two runs in one pipe would be torn.
test: $(BIN)/testreport engines ## run the tests of every module, with the race detector
	@$(if $(RACE),,echo 'No C compiler: the race detector is off.')
	$(GO) build $(RACE) work
	@( rc=0; e2e=$$(mktemp); \
	   ( rc=0; $(GO) test $(RACE) -json -count=1 -timeout 12m $(TESTFLAGS) ./e2e || rc=1; \
	     FROGUP_E2E_FORM=suite $(GO) test -json -count=1 -timeout 12m -skip '^($(SOLO_ONLY))$$' $(TESTFLAGS) ./e2e || rc=1; exit $$rc ) >$$e2e & \
	   beside=$$!; \
	   $(GO) test $(RACE) -json -count=1 -timeout 10m $(TESTFLAGS) $$($(GO) list work | grep -v '^github.com/frogstats/uptime/e2e$$') || rc=1; \
	   wait $$beside || rc=1; cat $$e2e; rm -f $$e2e; \
	   $(GO) test -json -count=1 -timeout 5m -run '^($(ACCURACY))$$' $(TESTFLAGS) ./services/prober/nettest || rc=1; \
	   for m in $(TOOL_MODULES); do GOWORK=off $(GO) -C $$m test -json -count=1 -timeout 8m $(TESTFLAGS) ./... || rc=1; done; \
	   exit $$rc ) | $(BIN)/testreport

# Scenarios that the suite form does not repeat: those with network namespaces, in which its stores could not be reached, that on a
# slow disk, which its stores are not on, and those that start a suite of their own in any form.
SOLO_ONLY := TestBlackHole|TestMachineWithoutNetwork|TestProberIsCutOff|TestResolverFails|TestSlowDisk|TestSuite.*

# Tests of how exactly phases are measured. They run alone and without the race detector, which makes handshakes ten times
# slower on both sides.
ACCURACY := TestPhasesAgainstTheTargetsClock|TestConnectAgainstTheWiresClock|TestFastServiceKeepsItsDigits

# The real engines that stores are tested on. Without them their tests are skipped, unless FROGUP_TEST_REQUIRE is 1.
.PHONY: engines
engines:
	@tools/fetch-chdb >/dev/null || $(if $(filter 1,$(FROGUP_TEST_REQUIRE)),exit 1,echo 'No ClickHouse engine: its tests are skipped.')

.PHONY: e2e
e2e: engines ## run the end-to-end scenarios alone, with their output; FORM=suite on separate services
	FROGUP_E2E_FORM=$(FORM) $(GO) test $(RACE) -v -count=1 -timeout 30m $(TESTFLAGS) ./e2e/...

FAULTS ?= 200
MINUTES ?= 60
MONITORS ?= 1000
SEED ?=

.PHONY: torture
torture: engines ## MINUTES of faults, FAULTS of them at least, on MONITORS, replayed by SEED; then frozen stores, cut networks, the spool, leases, alerts
	FROGUP_E2E_LONG=1 FROGUP_E2E_TORTURE_FAULTS=$(FAULTS) FROGUP_E2E_TORTURE_MINUTES=$(MINUTES) FROGUP_E2E_TORTURE_MONITORS=$(MONITORS) FROGUP_E2E_TORTURE_SEED=$(SEED) \
	  $(GO) test -v -count=1 -timeout 6h -run '^TestSuiteTorture$$' $(TESTFLAGS) ./e2e
	FROGUP_E2E_LONG=1 $(GO) test -v -count=1 -timeout 3h -run '^($(TROUBLES))$$' $(TESTFLAGS) ./e2e
	FROGUP_TORTURE=1 $(GO) test -v -count=1 -timeout 1h -run 'Killed|Torn|Bit' $(TESTFLAGS) ./services/prober/spool
	FROGUP_TORTURE=1 $(GO) test -v -count=1 -timeout 1h -run 'TestLeases' $(TESTFLAGS) ./services/prober
	$(GO) test -v -count=1 -timeout 2h -run 'TestLeaseHistories' $(TESTFLAGS) ./services/monitors -histories 1000
	FROGUP_TORTURE=1 $(GO) test -v -count=1 -timeout 2h -run 'Model|Storm|Pace' $(TESTFLAGS) ./services/alerts

# Scenarios of one long trouble each.
TROUBLES := TestSuiteDatabaseStandsStill|TestSuiteCentreStandsStill|TestSuiteSoleProberStandsStill|TestSuiteHistoryIsAway|TestProberIsCutOff|TestSuiteRegions|TestSuiteProberLosesPackets|TestSlowDisk

.PHONY: compose-e2e
compose-e2e: ## bring docker-compose.yml up for real, use it, kill its containers
	tools/compose-e2e/run

.PHONY: up-local
up-local: build $(BIN)/chengine $(BIN)/otelcol $(BIN)/jaeger ## start what docker-compose.yml starts as plain processes, in .local
	tools/up-local

.PHONY: down-local
down-local: ## end what up-local started; its data stays
	tools/down-local

# The engine's cases come first and are judged last, so that a gate that fails is the last thing to be read.
.PHONY: bench
bench: build engines ## measure the check engine and a fleet, then run the benchmarks that match BENCH
	@engine=0; $(MAKE) bench-engine || engine=1; \
	 rest=0; $(MAKE) bench-fleet bench-go || rest=1; \
	 if [ $$engine -ne 0 ]; then echo 'A gate of the check engine FAILED, or it could not be measured: see the top.'; fi; \
	 exit $$((engine | rest))

# One part alone: make bench-engine ENGINE='-cases tcp-10k -repeat 1'; see bench/README.md.

.PHONY: bench-engine
bench-engine: build
	$(GO) build -o $(BIN)/bench-engine ./bench/engine
	$(BIN)/bench-engine $(ENGINE)

.PHONY: bench-fleet
bench-fleet: build
	$(GO) run ./bench/fleet $(FLEET)

# A folder of 10,000 monitors with a year behind them, and what a browser makes of it.
YEAR ?= /tmp/frogup-year

.PHONY: bench-client
bench-client: build client/node_modules/.package-lock.json
	@test -d $(YEAR)/data || $(GO) run ./bench/year -dir $(YEAR)
	cd client && FROGUP_YEAR=$(YEAR) FROGUP_BINARY=$(CURDIR)/bin/frogup npm run --silent scale

.PHONY: bench-go
bench-go: engines
	@dirs=$$(grep -rl --include='*_test.go' '^func Benchmark' cmd bench e2e internal services 2>/dev/null | xargs -r dirname | sort -u | sed 's|^|./|'); \
	 if [ -z "$$dirs" ]; then echo 'there are no benchmarks'; exit 0; fi; \
	 $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout 60m $$dirs

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' cmd e2e internal services 2>/dev/null | sort | \
	 while IFS=: read -r file func; do \
	   name=$${func#func }; echo "$$(dirname $$file) $$name"; \
	   $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "./$$(dirname $$file)" </dev/null; \
	 done

.PHONY: generate
generate: $(BIN)/buf $(BIN)/plugins ## regenerate gen/ from proto/
	$(BIN)/buf generate

.PHONY: lint
lint: $(BIN)/golangci-lint ## run the linters over every module
	@bad=; for m in $(MODULES) $(TOOL_MODULES); do \
	   echo "lint $$m"; \
	   case $$m in tools/*) export GOWORK=off;; esac; \
	   if [ -z "$$(cd $$m && $(GO) list ./... 2>/dev/null)" ]; then continue; fi; \
	   (cd $$m && $(BIN)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...) || bad="$$bad $$m"; \
	 done; \
	 if [ -n "$$bad" ]; then echo "The linters ask for something in:$$bad"; exit 1; fi

# The client's output is committed, so that Go alone builds the product; npm is needed only by who changes the client.
client/node_modules/.package-lock.json: client/package.json client/package-lock.json
	cd client && npm ci --silent
	@touch $@

.PHONY: client
client: client/node_modules/.package-lock.json ## build the web client of client/ into the gateway; needs Node 20
	cd client && npm run --silent api && npm run --silent build

.PHONY: client-test
client-test: client/node_modules/.package-lock.json ## check the client's types, run its tests, and the product in a browser where Chromium is
	cd client && npm run --silent types && npm test --silent
	$(MAKE) client-e2e

.PHONY: client-e2e
client-e2e: build client/node_modules/.package-lock.json ## go through the product in a browser; without Chromium it is skipped, unless FROGUP_TEST_REQUIRE is 1
	cd client && FROGUP_BINARY=$(CURDIR)/bin/frogup npm run --silent e2e

.PHONY: check
check: check-go check-proto check-client ## what CI checks beside the tests: vet, law, format, tidy, generated code

.PHONY: check-client
check-client:
	tools/check-client

.PHONY: check-go
check-go:
	$(GO) vet work
	$(GO) test -count=1 ./internal/law/...
	@bad=$$(find . -name '*.go' -not -path './gen/*' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l); \
	 if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi
	@for m in $(MODULES) $(TOOL_MODULES); do \
	   echo "tidy and alone: $$m"; \
	   GOWORK=off $(GO) -C $$m mod tidy -diff; \
	   GOWORK=off $(GO) -C $$m build -o /dev/null ./...; \
	 done

.PHONY: check-proto
check-proto: $(BIN)/buf $(BIN)/plugins
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	@PATH="$(BIN):$$PATH" tools/check-generated
	@PATH="$(BIN):$$PATH" tools/check-breaking

.PHONY: tidy
tidy: ## tidy the go.mod of every module
	@for m in $(MODULES) $(TOOL_MODULES); do echo "tidy $$m"; GOWORK=off $(GO) -C $$m mod tidy; done

.PHONY: tools
tools: $(BIN)/buf $(BIN)/plugins $(BIN)/golangci-lint $(BIN)/testreport ## build the pinned tools into .bin/

# Each is built again when its go.mod or its sources changed. buf takes minutes the
# first time.
$(BIN)/buf: tools/buf/go.mod tools/buf/go.sum
	GOWORK=off GOBIN=$(BIN) $(GO) -C tools/buf install tool
	@touch $@

$(BIN)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	GOWORK=off GOBIN=$(BIN) $(GO) -C tools/lint install tool
	@touch $@

$(BIN)/plugins: tools/plugins/go.mod tools/plugins/go.sum $(wildcard tools/plugins/*/*.go)
	GOWORK=off GOBIN=$(BIN) $(GO) -C tools/plugins install tool
	@touch $@

$(BIN)/testreport: tools/testreport/go.mod $(wildcard tools/testreport/*.go)
	GOWORK=off GOBIN=$(BIN) $(GO) -C tools/testreport install .
	@touch $@

$(BIN)/chengine: tools/chengine/go.mod $(wildcard tools/chengine/*)
	@mkdir -p $(BIN)
	GOWORK=off CGO_ENABLED=0 $(GO) -C tools/chengine build -o $@ .

$(BIN)/otelcol: tools/otelcol/go.mod $(wildcard tools/otelcol/*.go)
	@mkdir -p $(BIN)
	GOWORK=off CGO_ENABLED=0 $(GO) -C tools/otelcol build -o $@ .

$(BIN)/jaeger: tools/build-jaeger
	@mkdir -p $(BIN)
	tools/build-jaeger $@

.PHONY: clean
clean: ## remove what was built; data stays
	rm -rf bin .bin
