// Package e2e holds the product's scenarios as a user has them: the built binary, real
// HTTP, real targets. Everything is in its tests.
//
//	go test ./e2e                                   all scenarios, about a minute
//	go test ./e2e -run TestGolden -update           rewrite testdata/golden, to be read before it is committed
//	FROGUP_E2E_LONG=1 go test ./e2e -timeout 30m    200 monitors for ten minutes, 50 kills
//	FROGUP_E2E_BINARY=$PWD/bin/frogup go test ./e2e a binary that was built elsewhere
//
// Scenarios that need a network namespace, npm or IPv6 are skipped, with the reason, where
// there is none.
package e2e
