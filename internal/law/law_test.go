package law

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goList runs "go list" over the whole workspace, whichever module the test runs in.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(root, "go.work")
	if _, err := os.Stat(work); err != nil {
		t.Fatalf("the law is read off the workspace: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+work, "GOFLAGS=-buildvcs=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

func workspace(t *testing.T) []Package {
	t.Helper()
	raw := goList(t, "-json=ImportPath,Dir,GoFiles,CgoFiles,Imports,TestImports,XTestImports", "work")
	var out []Package
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p Package
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	if len(out) < 10 {
		t.Fatalf("go list found %d packages only", len(out))
	}
	return out
}

func TestWorkspaceKeepsTheLaw(t *testing.T) {
	packages := workspace(t)
	inSource, err := Source(packages)
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(goList(t, "-deps", Root+"/services/prober/...")))
	for _, b := range append(append(Imports(packages), inSource...), Prober(deps)...) {
		t.Error(b)
	}
}

func TestImportsCatchesBreaches(t *testing.T) {
	const (
		monitors = Root + "/services/monitors"
		prober   = Root + "/services/prober"
		internal = Root + "/internal"
	)
	tests := map[string]struct {
		pkg    Package
		breach bool
	}{
		"service imports service":             {Package{ImportPath: prober, Imports: []string{monitors}}, true},
		"service's test imports service":      {Package{ImportPath: prober, TestImports: []string{monitors}}, true},
		"service's outer test does":           {Package{ImportPath: prober, XTestImports: []string{monitors + "/storetest"}}, true},
		"service imports itself":              {Package{ImportPath: prober + "/spool", Imports: []string{prober}}, false},
		"service imports gen and internal":    {Package{ImportPath: prober, Imports: []string{Root + "/gen/x/v1", internal + "/fault"}}, false},
		"service imports root":                {Package{ImportPath: prober, Imports: []string{Root + "/cmd/frogup/app"}}, true},
		"internal imports gen":                {Package{ImportPath: internal + "/rpc", Imports: []string{Root + "/gen/x/v1"}}, true},
		"internal imports service":            {Package{ImportPath: internal + "/rpc", Imports: []string{monitors}}, true},
		"gen imports internal":                {Package{ImportPath: Root + "/gen/x/v1", Imports: []string{internal + "/fault"}}, true},
		"root imports service":                {Package{ImportPath: Root + "/cmd/frogup/app", Imports: []string{monitors, monitors + "/sqlite"}}, false},
		"storetest shipped":                   {Package{ImportPath: monitors + "/sqlite", Imports: []string{monitors + "/storetest"}}, true},
		"storetest in a test":                 {Package{ImportPath: monitors + "/sqlite", TestImports: []string{monitors + "/storetest"}}, false},
		"test package imports test package":   {Package{ImportPath: monitors + "/storetest", Imports: []string{internal + "/sqlite/sqlitetest"}}, false},
		"rpctest shipped":                     {Package{ImportPath: Root + "/cmd/frogup/app", Imports: []string{internal + "/rpc/rpctest"}}, true},
		"e2e imports rpctest":                 {Package{ImportPath: Root + "/e2e", Imports: []string{internal + "/rpc/rpctest"}}, false},
		"nettest shipped":                     {Package{ImportPath: prober, Imports: []string{prober + "/nettest"}}, false},
		"driver in a domain":                  {Package{ImportPath: monitors, Imports: []string{"modernc.org/sqlite"}}, true},
		"driver in an engine":                 {Package{ImportPath: monitors + "/sqlite", Imports: []string{"modernc.org/sqlite"}}, false},
		"driver in the ground floor":          {Package{ImportPath: internal + "/audit", Imports: []string{"github.com/jackc/pgx/v5/pgxpool"}}, true},
		"driver in the ground floor's engine": {Package{ImportPath: internal + "/postgres", Imports: []string{"github.com/jackc/pgx/v5"}}, false},
		"SQL in a domain":                     {Package{ImportPath: monitors, Imports: []string{"database/sql"}}, true},
		"SQL in a domain's test":              {Package{ImportPath: monitors, TestImports: []string{"database/sql"}}, false},
		"engine handle in a domain":           {Package{ImportPath: monitors, Imports: []string{internal + "/sqlite"}}, true},
		"own engine in a domain":              {Package{ImportPath: monitors, Imports: []string{monitors + "/sqlite"}}, true},
		"own engine in a domain's test":       {Package{ImportPath: monitors, TestImports: []string{monitors + "/sqlite"}}, false},
		"library that dials by itself":        {Package{ImportPath: Root + "/services/alerts/notify", Imports: []string{"github.com/nicholas-fedor/shoutrrr/pkg/router"}}, true},
		"that library where it is alone":      {Package{ImportPath: Root + "/cmd/frogup/shoutrrr", Imports: []string{"github.com/nicholas-fedor/shoutrrr/pkg/router"}}, false},
		"a name that begins alike":            {Package{ImportPath: prober, Imports: []string{Root + "x/services/monitors", "modernc.org/sqlitex"}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Imports([]Package{tt.pkg})
			if (len(got) > 0) != tt.breach {
				t.Errorf("breaches %v, want any: %v", got, tt.breach)
			}
			for _, b := range got {
				if b.Where == "" || b.What == "" || b.Why == "" {
					t.Errorf("breach without words: %+v", b)
				}
			}
		})
	}
}

func TestProberCatchesBreaches(t *testing.T) {
	for dep, want := range map[string]int{
		"database/sql": 1, "database/sql/driver": 0, "modernc.org/sqlite/lib": 1, Root + "/internal/sqlite": 1,
		Root + "/internal/audit/sqlite": 1, Root + "/internal/migrate": 1, Root + "/internal/rpc": 0, "net": 0,
	} {
		if got := Prober([]string{dep}); len(got) != want {
			t.Errorf("Prober(%s) = %v, want %d", dep, got, want)
		}
	}
}

func TestSourceCatchesBreaches(t *testing.T) {
	const service, cmd = Root + "/services/alerts", Root + "/cmd/frogup"
	tests := map[string]struct {
		importPath, imports, body string
		want                      int
	}{
		"exit":                         {service, `"os"`, `os.Exit(1)`, 1},
		"environment":                  {service, `"os"`, `_ = os.Getenv("X")`, 1},
		"file":                         {service, `"os"`, `_ = os.Remove("x")`, 0},
		"exit in main":                 {cmd, `"os"`, `os.Exit(1)`, 0},
		"exit under another name":      {service, `sys "os"`, `sys.Exit(1)`, 1},
		"signals":                      {service, `"os/signal"`, `signal.Notify(nil)`, 1},
		"default log":                  {service, `"log"`, `log.Printf("x")`, 1},
		"default slog":                 {service, `"log/slog"`, `slog.Info("x"); slog.Default()`, 2},
		"slog that was handed in":      {service, `"log/slog"`, `var l *slog.Logger; l.Info("x")`, 0},
		"default client":               {service, `"net/http"`, `_, _ = http.Get("http://x"); _ = http.DefaultClient`, 2},
		"default client in main":       {cmd, `"net/http"`, `_, _ = http.Get("http://x")`, 1},
		"default transport":            {cmd, `"net/http"`, `http.DefaultTransport = nil`, 1},
		"default transport of its own": {cmd + "/shoutrrr", `"net/http"`, `http.DefaultTransport = nil`, 0},
		"default client beside it":     {cmd + "/shoutrrr", `"net/http"`, `_, _ = http.Get("http://x")`, 1},
		"dial":                         {service, `"net"`, `_, _ = net.Dial("tcp", "x:1")`, 1},
		"dialer":                       {service, `"net"`, `d := net.Dialer{}; _ = &d`, 1},
		"dialer, pointer":              {service, `"net"`, `_ = &net.Dialer{}`, 1},
		"dialer as a type":             {service, `"net"`, `var d *net.Dialer; _ = d`, 0},
		"dialer handed to the guard":   {service, `"net"`, `_ = policy.Dialer(net.Dialer{Timeout: 1})`, 0},
		"dial in the guard":            {Root + "/internal/egress", `"net"`, `_, _ = net.Dial("tcp", "x:1")`, 0},
		"dial in nettest":              {Root + "/services/prober/nettest", `"net"`, `_, _ = net.Dial("tcp", "x:1")`, 0},
		"TLS dial":                     {service, `"crypto/tls"`, `_, _ = tls.Dial("tcp", "x:1", nil)`, 1},
		"everything in a test package": {service + "/storetest", `"os"`, `os.Exit(1)`, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			src := "package x\n\nimport " + tt.imports + "\n\nfunc f() { " + tt.body + " }\n"
			if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Source([]Package{{ImportPath: tt.importPath, Dir: dir, GoFiles: []string{"x.go"}}})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != tt.want {
				t.Errorf("breaches %v, want %d", got, tt.want)
			}
		})
	}
}
