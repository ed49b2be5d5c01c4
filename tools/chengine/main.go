//go:build linux

// Command chengine runs ClickHouse without a ClickHouse server: it loads the engine from libchdb.so (tools/fetch-chdb gets
// it) and lets it open its own listeners, the native protocol and HTTP. It is meant for tests and for development, not for
// production: there is no Keeper, hence no replication, and asynchronous inserts are carried out at once.
//
// Once clients are served it prints one line to its standard output:
//
//	READY tcp=127.0.0.1:9000 http=127.0.0.1:8123 version=26.7.2.1 pid=4711
//
// It ends on SIGTERM or SIGINT, or when its standard input closes if so told, without a shutdown of the engine: what was
// acknowledged is on disk, as it is after a crash.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command line and the environment, which has the names that the official image uses.
type options struct {
	lib, data                string
	host                     string
	tcpPort, httpPort        int
	user, password, database string
	config, users            string
	watchStdin, removeData   bool
	startTimeout             time.Duration
}

func parse(args []string, getenv func(string) string) (options, error) {
	var o options
	fs := flag.NewFlagSet("chengine", flag.ContinueOnError)
	fs.StringVar(&o.data, "data", "", "data directory, made if need be; one process at a time (required)")
	fs.StringVar(&o.lib, "lib", getenv("FROGUP_CHDB_LIB"), "path of libchdb.so; default FROGUP_CHDB_LIB, else where tools/fetch-chdb puts it")
	fs.StringVar(&o.host, "listen", "127.0.0.1", "IP address to listen on, 0.0.0.0 or :: for all")
	fs.IntVar(&o.tcpPort, "tcp-port", 0, "port of the native protocol; 0 chooses a free one")
	fs.IntVar(&o.httpPort, "http-port", 0, "port of HTTP; 0 chooses a free one")
	fs.StringVar(&o.user, "user", or(getenv("CLICKHOUSE_USER"), "default"), "the user, who may do everything; default CLICKHOUSE_USER")
	fs.StringVar(&o.password, "password", "",
		"their password; better in CLICKHOUSE_PASSWORD, or in\nthe file that CLICKHOUSE_PASSWORD_FILE names, which ps does not show")
	fs.StringVar(&o.database, "database", getenv("CLICKHOUSE_DB"), "a database to make if there is none of that name; default CLICKHOUSE_DB")
	fs.StringVar(&o.config, "config", "", "a config.xml instead of the built-in one")
	fs.StringVar(&o.users, "users", "", "a users.xml instead of the built-in one; -user and -password must be in it")
	fs.BoolVar(&o.watchStdin, "watch-stdin", false, "end when standard input closes")
	fs.BoolVar(&o.removeData, "remove-data", false, "remove the data directory at the end")
	fs.DurationVar(&o.startTimeout, "start-timeout", time.Minute, "how long the start may take")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if err := o.passwordFrom(getenv); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("what is %q? There are only flags", fs.Arg(0))
	case o.data == "":
		return o, errors.New("-data is required")
	case o.user == "default" && o.password != "":
		return o, errors.New("-user default cannot have a password, since the engine's own session has none: choose another -user")
	case o.users == "" && !validUser(o.user):
		return o, fmt.Errorf("-user %q: letters, digits and _ only, and no digit first", o.user)
	}
	if o.lib == "" {
		cache := or(getenv("FROGUP_CHDB_CACHE"), filepath.Join(getenv("HOME"), ".cache", "frogup"))
		o.lib = filepath.Join(cache, "chdb", chdbVersion, "libchdb.so")
	}
	var err error
	for _, p := range []*string{&o.data, &o.lib, &o.config, &o.users} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return o, err
		}
	}
	return o, nil
}

// passwordFrom looks where the official image does.
func (o *options) passwordFrom(getenv func(string) string) error {
	if o.password == "" {
		o.password = getenv("CLICKHOUSE_PASSWORD")
	}
	if file := getenv("CLICKHOUSE_PASSWORD_FILE"); o.password == "" && file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("CLICKHOUSE_PASSWORD_FILE: %w", err)
		}
		o.password = strings.TrimRight(string(text), "\r\n")
	}
	return nil
}

// chdbVersion is the release that tools/fetch-chdb fetches.
const chdbVersion = "26.7.3-stable.1"

func or(s, preset string) string {
	if s == "" {
		return preset
	}
	return s
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == removeVerb {
		if err := os.RemoveAll(os.Args[2]); err != nil {
			fatal(err)
		}
		return
	}
	o, err := parse(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	} else if err != nil {
		fatal(err)
	}
	if err := run(o); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "chengine:", err)
	os.Exit(1)
}

// run returns only if the engine could not be started or has stopped.
func run(o options) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	if err := os.MkdirAll(o.data, 0o755); err != nil {
		return err
	}
	configFile, err := writeConfig(o)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	streams, err := seatTerminal()
	if err != nil {
		return fmt.Errorf("pseudo-terminal: %w", err)
	}
	if o.watchStdin {
		go func() {
			_, _ = io.Copy(io.Discard, streams.in)
			stop <- syscall.SIGHUP
		}()
	}
	tcp, http, err := choosePorts(o.host, o.tcpPort, o.httpPort)
	if err != nil {
		return err
	}
	stopped, err := startEngine(o.lib, engineArgs(o, configFile, tcp, http))
	if err != nil {
		return err
	}
	ready := make(chan error, 1)
	var version string
	go func() {
		var err error
		version, err = awaitReady(o, tcp, http)
		ready <- err
	}()
	for {
		select {
		case err := <-ready:
			if errors.Is(err, errTaken) && (o.tcpPort == 0 || o.httpPort == 0) {
				return tryAgain(streams, err) // somebody was quicker to take a port that seemed free
			} else if err != nil {
				return err
			}
			fmt.Fprintf(streams.out, "READY tcp=%s http=%s version=%s pid=%d\n", tcp, http, version, os.Getpid())
			ready = nil
		case err := <-stopped:
			return err
		case <-stop:
			return end(o)
		}
	}
}

// end leaves without asking the engine, whose threads all end with the process. Removing the data is left to this
// program's next incarnation in the same process: by then no thread writes any more.
func end(o options) error {
	if !o.removeData {
		os.Exit(0)
	}
	return again(removeVerb, o.data)
}

// removeVerb as the only argument but a directory makes the program remove that.
const removeVerb = "-then-remove"

// triesVar counts the incarnations that found their ports taken.
const (
	triesVar = "CHENGINE_TRY"
	maxTries = 5
)

func tryAgain(s streams, why error) error {
	n, _ := strconv.Atoi(os.Getenv(triesVar))
	if n++; n >= maxTries {
		return fmt.Errorf("%d times: %w", n, why)
	}
	if err := s.restore(); err != nil {
		return err
	}
	if err := os.Setenv(triesVar, strconv.Itoa(n)); err != nil {
		return err
	}
	return again(os.Args[1:]...)
}

// again replaces the program in this process by itself. It returns only if that fails.
func again(args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(self, append([]string{os.Args[0]}, args...), os.Environ()))
}
