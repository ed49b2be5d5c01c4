// Command frogup is Frogstats Uptime: the monitoring system and its tools in one binary.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/frogstats/uptime/cmd/frogup/app"
	"github.com/frogstats/uptime/internal/gcpace"
)

// spared is how much garbage there is before it is collected, unless GOGC says otherwise: a collection takes processor
// time from checks, and this much memory is to be had on the smallest machine.
const spared = 32 << 20

// leastThreads is how many threads run Go code at the least, unless GOMAXPROCS says otherwise. With one, a check that is due
// waits until each goroutine that stores or serves has had its slice of 10 ms; with two the kernel lets the check go first.
const leastThreads = 2

// version is set by the build from the repository's tags.
var version = "dev"

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals // the first asks for a stop in order
		stop()
		s := <-signals // the second does not wait for it
		fmt.Fprintln(os.Stderr, "frogup: stopped at once by a second signal")
		os.Exit(exitCode(s))
	}()
	if _, set := os.LookupEnv("GOGC"); !set {
		gcpace.Keep(spared)
	}
	if _, set := os.LookupEnv("GOMAXPROCS"); !set && runtime.GOMAXPROCS(0) < leastThreads {
		runtime.GOMAXPROCS(leastThreads)
	}
	code := app.Run(ctx, app.Process{
		Version: version, Args: os.Args[1:], Env: os.LookupEnv, Environ: os.Environ,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}

// exitCode is what shells make of a signal.
func exitCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
