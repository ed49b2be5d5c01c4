package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerErrors(t *testing.T) {
	f := newFakeREST(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, f.URL, http.StatusMovedPermanently)
		case strings.HasPrefix(r.URL.Path, "/broken"):
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasPrefix(r.URL.Path, "/strange"):
			_, _ = w.Write([]byte("<html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer elsewhere.Close()
	refusing := closedPort(t)
	for _, tt := range []struct {
		name        string
		server, key string
		args        []string
		want        string
	}{
		{"fields", f.URL, testKey, []string{"create", "wrong", "http://example.com/"}, `frogup: the server refused: invalid request (INVALID_ARGUMENT)
  interval_seconds: must be between 1 and 86400
  http_config.url: must not·[2J be so
  request r3
`},
		{"no key", f.URL, "", []string{"list"}, `frogup: the server refused: authentication required (UNAUTHENTICATED)
  give an API key in FROGUP_API_KEY, or FROGUP_API_KEY_FILE, or with --api-key
  request r1
`},
		{"wrong key", f.URL, "x", []string{"get", "7"}, `frogup: the server refused: authentication required (UNAUTHENTICATED)
  check that the API key is this server's and was not revoked
  request r1
`},
		{"nobody there", refusing, testKey, []string{"list"}, "frogup: cannot reach the server at http://" + refusing + ": dial tcp " + refusing +
			": connect: connection refused; frogup serve starts a server, --server or FROGUP_SERVER names another\n"},
		{"another server", elsewhere.URL, testKey, []string{"get", "7"}, "frogup: the server refused: 404 Not Found; is a Frogstats Uptime server at " + elsewhere.URL + "?\n"},
		{"redirect", elsewhere.URL + "/moved", testKey, []string{"list"}, "frogup: " + elsewhere.URL + "/moved leads elsewhere (301 to " + f.URL + "): give the right address with --server\n"},
		{"broken proxy", elsewhere.URL + "/broken/", testKey, []string{"delete", "7"}, "frogup: the server failed: 502 Bad Gateway; is a Frogstats Uptime server at " + elsewhere.URL + "/broken/?\n"},
		{"a web page", elsewhere.URL + "/strange", testKey, []string{"list"}, "frogup: read the list of monitors: invalid character '<' looking for beginning of value\n"},
		{"not a URL", "ftp://example.com", testKey, []string{"list"}, "frogup: --server must be a URL such as http://127.0.0.1:8080\n"},
		{"a secret in the URL", "http://user:secret@" + refusing, testKey, []string{"list"}, "frogup: cannot reach the server at http://user:xxxxx@" + refusing + ": dial tcp " + refusing +
			": connect: connection refused; frogup serve starts a server, --server or FROGUP_SERVER names another\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{"FROGUP_SERVER": tt.server, "FROGUP_API_KEY": tt.key}
			got := runVerb(t, t.Context(), env, "", append([]string{"monitors"}, tt.args...)...)
			if got.code != 2 || got.stdout != "" || got.stderr != tt.want {
				t.Errorf("exit code %d, stdout %q, stderr\n%s\nwant\n%s", got.code, got.stdout, got.stderr, tt.want)
			}
		})
	}
}

// The command line wins over the environment, and the key may stand in a file.
func TestRemoteSettings(t *testing.T) {
	f := newFakeREST(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := strings.TrimPrefix(f.URL, "http://")
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		code int
	}{
		{"environment", f.env(), nil, 0},
		{"key file", map[string]string{"FROGUP_SERVER": f.URL, "FROGUP_API_KEY_FILE": file}, nil, 0},
		{"key twice", map[string]string{"FROGUP_SERVER": f.URL, "FROGUP_API_KEY": testKey, "FROGUP_API_KEY_FILE": file}, nil, 2},
		{"key file absent", map[string]string{"FROGUP_SERVER": f.URL, "FROGUP_API_KEY_FILE": file + "x"}, nil, 2},
		{"flags", nil, []string{"--server", f.URL, "--api-key", testKey}, 0},
		{"flags over environment", map[string]string{"FROGUP_SERVER": "127.0.0.1:1", "FROGUP_API_KEY": "x"}, []string{"--server", f.URL + "/", "--api-key", testKey}, 0},
		{"no scheme", nil, []string{"--server", bare, "--api-key", testKey}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := runVerb(t, t.Context(), tt.env, "", append([]string{"monitors", "list"}, tt.args...)...); got.code != tt.code {
				t.Errorf("exit code %d, want %d: %s", got.code, tt.code, got.stderr)
			}
		})
	}
}
