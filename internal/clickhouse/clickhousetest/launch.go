package clickhousetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// startTimeout is generous: many test binaries may start their servers on a small machine at the same time.
const startTimeout = 2 * time.Minute

// plan is what a server is started with. The ports are 0 until it has run once.
type plan struct {
	dir               string
	tcpPort, httpPort int
	user, password    string
	removeData        bool // with the end of the process, unless it is killed
}

// process is a running server. It ends when stdin is closed, at the latest when the test binary ends.
type process struct {
	plan
	child  *os.Process // what was started
	server int         // pid of the server itself
	stdin  *os.File
}

func (p *process) endpoint() endpoint {
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	return endpoint{native: at(p.tcpPort), http: at(p.httpPort), user: url.UserPassword(p.user, p.password)}
}

// end closes stdin and waits.
func (p *process) end() error {
	err := p.stdin.Close()
	_, werr := p.child.Wait()
	return errors.Join(err, werr)
}

// launch starts a server and returns once it serves.
func launch(how means, what plan) (*process, error) {
	if err := what.choosePorts(); err != nil {
		return nil, err
	}
	if how.server != "" {
		return launchServer(how.server, what)
	}
	args := []string{
		how.launcher, "-data", what.dir, "-lib", how.library, "-watch-stdin",
		"-tcp-port", strconv.Itoa(what.tcpPort), "-http-port", strconv.Itoa(what.httpPort),
		"-remove-data=" + strconv.FormatBool(what.removeData), "-start-timeout", startTimeout.String(),
	}
	p, ready, err := spawn(args, []string{"CLICKHOUSE_USER=" + what.user, "CLICKHOUSE_PASSWORD=" + what.password, "CLICKHOUSE_DB="}, what)
	if err != nil {
		return nil, err
	}
	for name, into := range map[string]*int{"tcp": &p.tcpPort, "http": &p.httpPort} {
		_, port, err := net.SplitHostPort(ready[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("READY without %s", name), p.end())
		}
		if *into, err = strconv.Atoi(port); err != nil {
			return nil, errors.Join(err, p.end())
		}
	}
	return p, nil
}

//go:embed server.xml
var serverXML string

// serverScript ends the server when nobody holds the script's standard input any more.
const serverScript = `
CLICKHOUSE_WATCHDOG_ENABLE=0 TZ=UTC "$1" server --config-file="$2/server.xml" </dev/null >&2 &
echo "READY pid=$!"
while read -r _; do :; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
if [ "$3" = true ]; then rm -rf "$2"; fi
`

// choosePorts fills in the ports that are not given: below those that the kernel gives to outgoing connections, so that nobody
// takes one by chance while the server is down.
func (p *plan) choosePorts() error {
	for _, port := range []*int{&p.tcpPort, &p.httpPort} {
		if *port != 0 {
			continue
		}
		var err error
		if *port, err = freePort(); err != nil {
			return err
		}
	}
	return nil
}

func freePort() (int, error) {
	var err error
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// launchServer starts a clickhouse binary with a small configuration.
func launchServer(server string, what plan) (*process, error) {
	hash := sha256.Sum256([]byte(what.password))
	var config bytes.Buffer
	err := template.Must(template.New("server.xml").Parse(serverXML)).Execute(&config, map[string]any{
		"Dir": what.dir, "TCPPort": what.tcpPort, "HTTPPort": what.httpPort, "User": what.user, "PasswordHash": hex.EncodeToString(hash[:]),
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(what.dir, "server.xml"), config.Bytes(), 0o600); err != nil {
		return nil, err
	}
	p, _, err := spawn([]string{"/bin/sh", "-c", serverScript, "sh", server, what.dir, strconv.FormatBool(what.removeData)}, nil, what)
	if err != nil {
		return nil, err
	}
	deadline := time.After(startTimeout)
	for {
		err := p.endpoint().exec(context.Background(), "SELECT 1")
		if err == nil {
			return p, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			return nil, errors.Join(fmt.Errorf("the server does not answer: %w%s", err, p.stderr()), p.end())
		}
		if syscall.Kill(p.server, 0) != nil {
			return nil, errors.Join(fmt.Errorf("the server has ended: %s", p.stderr()), p.end())
		}
	}
}

// spawn starts a program and reads the words of its line READY, which are name=value.
func spawn(args, env []string, what plan) (*process, map[string]string, error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer stdout.Close()
	defer out.Close()
	stderr, err := os.OpenFile(filepath.Join(what.dir, "stderr.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer stderr.Close()
	p := &process{plan: what, stdin: stdin}
	p.child, err = os.StartProcess(args[0], args, &os.ProcAttr{
		Env:   append(os.Environ(), env...),
		Files: []*os.File{in, out, stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // an interrupt from the keyboard is the test's affair
	})
	if err != nil {
		return nil, nil, errors.Join(err, stdin.Close())
	}
	_ = out.Close() // or the end of the program would not be seen
	if err := stdout.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return nil, nil, errors.Join(err, p.end())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = p.child.Kill()
		return nil, nil, errors.Join(fmt.Errorf("%s does not get ready: %w%s", filepath.Base(args[0]), err, p.stderr()), p.end())
	}
	words := map[string]string{}
	for _, w := range strings.Fields(line) {
		name, value, _ := strings.Cut(w, "=")
		words[name] = value
	}
	if p.server, err = strconv.Atoi(words["pid"]); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("READY without a pid: %q", line), p.end())
	}
	return p, words, nil
}

// stderr is the end of what the server has said, for an error.
func (p *process) stderr() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "stderr.log"))
	if len(text) > 4096 {
		text = text[len(text)-4096:]
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return ""
	}
	return "\n" + string(text)
}
