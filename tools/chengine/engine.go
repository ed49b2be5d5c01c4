//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/ebitengine/purego"
)

// engineArgs is the command line of clickhouse-local. The statements open the listeners; being interactive keeps it alive
// after them, see seatTerminal.
func engineArgs(o options, configFile string, tcp, http address) []string {
	return []string{
		"clickhouse",
		"--config-file=" + configFile,
		"--path=" + engineDir(o),
		"--listen_host=" + o.host,
		"--tcp_port=" + strconv.Itoa(tcp.port),
		"--http_port=" + strconv.Itoa(http.port),
		"--interactive", "--disable_suggestion", "--history_file=/dev/null",
		"--query", "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP",
	}
}

// startEngine loads the library and runs the engine on a thread of its own. The channel gets one error if the engine
// returns, which it does only when something is wrong; the details are then on standard error.
func startEngine(lib string, args []string) (<-chan error, error) {
	if _, err := os.Stat(lib); err != nil {
		return nil, fmt.Errorf("no engine: %w (tools/fetch-chdb gets it)", err)
	}
	handle, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", lib, err)
	}
	var (
		setenv      func(name, value string, overwrite int32) int32
		setHandlers func(enabled int32)
		cmdline     func(argc int32, argv unsafe.Pointer) unsafe.Pointer
		resultError func(result unsafe.Pointer) string
	)
	for name, f := range map[string]any{
		"setenv": &setenv, "chdb_set_signal_handlers_enabled": &setHandlers,
		"chdb_query_cmdline": &cmdline, "chdb_result_error": &resultError,
	} {
		sym, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("%s is not the engine that this program knows: %w", lib, err)
		}
		purego.RegisterFunc(f, sym)
	}
	setHandlers(0) // its handlers of SIGSEGV and the like would take Go's place and have no alternate stack
	if setenv("TZ", "UTC", 1) != 0 {
		return nil, errors.New("set TZ in the engine's environment")
	}
	stopped := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		argv := cStrings(args)
		result := cmdline(int32(len(args)), unsafe.Pointer(&argv[0]))
		runtime.KeepAlive(argv)
		text := resultError(result)
		if text == "" {
			text = "the reason is above, if it gave one"
		}
		stopped <- fmt.Errorf("the engine has stopped: %s", text)
	}()
	return stopped, nil
}

// cStrings makes an argv, its end marked by a null pointer.
func cStrings(args []string) []*byte {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
	}
	return argv
}
