package app

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// station is a whole server, for remote probers to work for.
type station struct {
	t   *testing.T
	url string
}

func newStation(t *testing.T) station {
	t.Helper()
	r := launch(t, map[string]string{
		"FROGUP_ADMIN_EMAIL": "owner@example.com", "FROGUP_ADMIN_PASSWORD": "correct horse battery staple", "FROGUP_ADMIN_API_KEY": suiteKey,
		"FROGUP_LEASE_TTL": "2s",
	}, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	return station{t, r.line("listening on ")}
}

// ask calls REST and fills out, unless that is nil.
func (s station) ask(verb, path, body string, out any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), verb, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+suiteKey)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s %s %v", verb, path, resp.Status, b, err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s station) token(region string) string {
	s.t.Helper()
	var got struct{ Token string }
	s.ask(http.MethodPost, "/api/uptime/probers", fmt.Sprintf(`{"region":%q}`, region), &got)
	return got.Token
}

type shownProber struct {
	ID        string
	Connected bool
	Enrolled  bool
	Health    string
}

func (s station) probers() []shownProber {
	s.t.Helper()
	var got struct{ Probers []shownProber }
	s.ask(http.MethodGet, "/api/uptime/probers", "", &got)
	return got.Probers
}

// watched makes a monitor that the region checks, and waits until it is up.
func (s station) watched(name, region string) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	var made struct{ ID uint32 }
	s.ask(http.MethodPost, "/api/uptime/monitors", fmt.Sprintf(
		`{"name":%q,"monitor_type":"tcp","interval_seconds":1,"tcp_config":{"host":%q,"port":%s},"regions":[%q]}`, name, host, port, region), &made)
	eventually(s.t, name+" to be up", func() error {
		var got struct {
			Status struct {
				CurrentStatus string `json:"current_status"`
			}
		}
		s.ask(http.MethodGet, fmt.Sprint("/api/uptime/monitors/", made.ID), "", &got)
		if got.Status.CurrentStatus != "up" {
			return fmt.Errorf("it is %q", got.Status.CurrentStatus)
		}
		return nil
	})
}

// remoteEnv is all that a remote prober is told beside its flags.
var remoteEnv = map[string]string{"FROGUP_METRICS_LISTEN": "off", "FROGUP_LOG_LEVEL": "debug"}

// A prober joins, works, comes back without token and region, renews its certificate, and ends when it is removed.
func TestRemoteProber(t *testing.T) {
	s := newStation(t)
	folder := filepath.Join(t.TempDir(), "remote")
	p := launch(t, remoteEnv, "prober", "--join", s.url, "--token", s.token("eu-west"), "--region", "eu-west", "--data", folder)
	id, _, _ := strings.Cut(p.line("prober "), " ")
	s.watched("first", "eu-west")
	p.stop(exitOK)

	info, err := os.Stat(filepath.Join(folder, identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the identity has mode %v, %v", info.Mode(), err)
	}
	before, err := readIdentity(folder)
	if err != nil || before.ProberID != id || before.Region != "eu-west" {
		t.Fatalf("identity %+v, %v", before, err)
	}
	before.IssuedAt = before.IssuedAt.Add(-40 * 24 * time.Hour) // more than half of its time is over
	if err := before.save(); err != nil {
		t.Fatal(err)
	}
	p = launch(t, remoteEnv, "prober", "--data", folder, "--metrics-listen", "127.0.0.1:0") // the URL stands in the identity too
	operators := p.line("metrics on ")
	p.line("prober " + id)
	s.watched("second", "eu-west")
	if got := runVerb(t, t.Context(), map[string]string{"FROGUP_DATA": folder}, "", "health", "prober", "--address", operators); got.code != exitOK {
		t.Errorf("health: %d %s%s", got.code, got.stdout, got.stderr)
	}
	eventually(t, "the certificate to be renewed", func() error {
		after, err := readIdentity(folder)
		if err == nil && bytes.Equal(after.Certificate, before.Certificate) {
			err = fmt.Errorf("it is still the same")
		}
		return err
	})

	s.ask(http.MethodDelete, "/api/uptime/probers/"+id, "", nil)
	p.cancel = nil
	p.ended(exitError)
	if !strings.Contains(p.said(), "does not know the prober "+id+" any more") {
		t.Errorf("it says %s", p.said())
	}
	for _, shown := range s.probers() {
		if shown.ID == id && (shown.Connected || !shown.Enrolled || shown.Health != "removed") {
			t.Errorf("it is shown as %+v", shown)
		}
	}

	// With a new token the same folder joins again; a token for another region is refused, and stays good.
	got := runVerb(t, t.Context(), remoteEnv, "", "prober", "--join", s.url, "--token", s.token("us-east"), "--data", folder)
	if got.code != exitError || !strings.Contains(got.stderr, `is for the region \"us-east\", not \"eu-west\"`) {
		t.Errorf("with a token for another region: %d %s", got.code, got.stderr)
	}
	p = launch(t, remoteEnv, "prober", "--join", s.url, "--token", s.token("eu-west"), "--data", folder)
	if again, _, _ := strings.Cut(p.line("prober "), " "); again == id {
		t.Errorf("it is still %s", again)
	}
	s.watched("third", "eu-west")
	if _, err := os.Stat(filepath.Join(folder, rejoinFolder)); !os.IsNotExist(err) {
		t.Errorf("the folder of joining is left: %v", err)
	}
}

// front is a proxy that ends TLS and passes HTTP/2 on in the clear, as nginx, Caddy or Envoy are told to.
func front(t *testing.T, server string) *httptest.Server {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	srv := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
	})
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// authorityOf writes the authority of a test server's certificate.
func authorityOf(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tunnel is an HTTP proxy that knows one user and leads to one address, whatever it is asked for.
func tunnel(t *testing.T, address string, tunnels *atomic.Int64) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6cHc=" {
			w.Header().Set("Proxy-Authenticate", "Basic")
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		tunnels.Add(1)
		to, err := net.Dial("tcp", address)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
		done := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() {
				_, _ = io.Copy(way[0], way[1])
				done <- struct{}{}
			}()
		}
		<-done
		_, _ = from.Close(), to.Close()
		<-done
	}))
	t.Cleanup(srv.Close)
	return srv
}

// Behind an HTTP proxy on the prober's side, and one that ends TLS on the server's.
func TestRemoteProberThroughProxies(t *testing.T) {
	s := newStation(t)
	tls := front(t, s.url)
	var tunnels atomic.Int64
	proxy := tunnel(t, tls.Listener.Addr().String(), &tunnels)
	env := maps.Clone(remoteEnv)
	env["HTTPS_PROXY"] = strings.Replace(proxy.URL, "//", "//me:pw@", 1)
	env["FROGUP_TOKEN"] = s.token("eu-west")
	args := []string{"prober", "--join", "https://example.com", "--join-ca", authorityOf(t, tls), "--data", t.TempDir()}
	p := launch(t, env, args...)
	p.line("prober ")
	s.watched("far away", "eu-west")
	if tunnels.Load() == 0 {
		t.Error("nothing went through the proxy")
	}

	env["HTTPS_PROXY"] = strings.Replace(proxy.URL, "//", "//me:wrong@", 1)
	env["FROGUP_TOKEN"] = s.token("eu-west")
	got := runVerb(t, t.Context(), env, "", append(args[:len(args)-1:len(args)-1], t.TempDir())...)
	if got.code != exitError || !strings.Contains(got.stderr, "407") || !strings.Contains(got.stderr, "HTTPS_PROXY") || strings.Contains(got.stderr, "wrong") {
		t.Errorf("with a wrong password of the proxy: %d %s", got.code, got.stderr)
	}
}

// What goes wrong is said in a sentence that says what to do.
func TestRemoteProberSaysWhatToDo(t *testing.T) {
	s := newStation(t)
	good := front(t, s.url)
	old := httptest.NewTLSServer(http.NotFoundHandler()) // HTTP/1.1 only
	t.Cleanup(old.Close)
	web := httptest.NewUnstartedServer(http.NotFoundHandler()) // no gRPC
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	used := s.token("eu-west")
	p := launch(t, remoteEnv, "prober", "--join", s.url, "--token", used, "--data", t.TempDir())
	p.line("prober ")
	p.stop(exitOK)

	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no token":            {[]string{"--join", s.url}, "token is required the first time"},
		"garbage token":       {[]string{"--join", s.url, "--token", "garbage"}, "is not known; make a new one"},
		"used token":          {[]string{"--join", s.url, "--token", used}, "was used already"},
		"another region":      {[]string{"--join", s.url, "--token", s.token("eu-west"), "--region", "us"}, "is for the region"},
		"another machine":     {[]string{"--join", "http://192.0.2.1", "--token", "x"}, "in the clear; use https://, or --plaintext"},
		"a path":              {[]string{"--join", "https://example.com/uptime", "--token", "x"}, "gRPC knows no path"},
		"an id":               {[]string{"--join", s.url, "--token", "x", "--prober-id", "me"}, "the id that its token was made for"},
		"unknown authority":   {[]string{"--join", good.URL, "--token", "x"}, "--join-ca"},
		"another name":        {[]string{"--join", strings.Replace(good.URL, "127.0.0.1", "localhost", 1), "--token", "x", "--join-ca", authorityOf(t, good)}, "is for another name"},
		"no HTTP/2":           {[]string{"--join", old.URL, "--token", "x", "--join-ca", authorityOf(t, old)}, "does not offer HTTP/2"},
		"no gRPC":             {[]string{"--join", web.URL, "--token", "x", "--join-ca", authorityOf(t, web)}, "answers, but not with gRPC"},
		"no TLS on that port": {[]string{"--join", strings.Replace(s.url, "http:", "https:", 1), "--token", "x"}, "does not speak TLS"},
		"no such file":        {[]string{"--join", good.URL, "--token", "x", "--join-ca", "/no/such/file"}, "join-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runVerb(t, t.Context(), remoteEnv, "", append([]string{"prober", "--data", t.TempDir()}, tt.args...)...)
			if got.code != exitError || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit code %d, want %q in\n%s", got.code, tt.want, got.stderr)
			}
		})
	}
}

// joinedConn is the connection of a prober that joined.
func (s station) joinedConn(region string) *joinConn {
	s.t.Helper()
	folder := s.t.TempDir()
	p := launch(s.t, remoteEnv, "prober", "--join", s.url, "--token", s.token(region), "--data", folder)
	p.line("prober ")
	p.stop(exitOK)
	i, err := readIdentity(folder)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := joinTarget{url: u, proxy: Process{Env: func(string) (string, bool) { return "", false }}.proxyFromEnv()}.connect()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	c.identity.Store(i)
	return c
}

// A prober of the first version names no session and renews nothing: its stream is its lease, through the gateway as well.
// And it speaks for itself alone.
func TestOldProberThroughTheGateway(t *testing.T) {
	s := newStation(t)
	c := s.joinedConn("eu-west")
	id := c.identity.Load().ProberID
	client := monitorsv1.NewAssignmentsServiceClient(c)
	stream, err := client.WatchAssignments(t.Context(), &monitorsv1.WatchAssignmentsRequest{ProberId: id, Region: "eu-west", Version: "0.1"})
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ ID uint32 }
	s.ask(http.MethodPost, "/api/uptime/monitors",
		`{"name":"old","monitor_type":"tcp","interval_seconds":60,"tcp_config":{"host":"127.0.0.1","port":9},"regions":["eu-west"]}`, &made)
	for {
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if a := got.GetAssigned(); a != nil && a.GetSpec().GetMonitorId() == made.ID {
			break
		}
	}
	for _, req := range []*monitorsv1.WatchAssignmentsRequest{{ProberId: id, Region: "local"}, {ProberId: "somebody", Region: "eu-west"}} {
		other, err := client.WatchAssignments(t.Context(), req)
		if err == nil {
			_, err = other.Recv()
		}
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("as %s in %s: %v", req.GetProberId(), req.GetRegion(), err)
		}
	}
}

// A wrong clock is found out and reckoned with.
func TestRemoteProberWithAWrongClock(t *testing.T) {
	s := newStation(t)
	c := s.joinedConn("eu-west")
	c.offset.Store(int64(-time.Hour))
	told := 0
	c.skewed = func(time.Duration) { told++ }
	csr, err := certificateRequest(c.identity.Load().key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := monitorsv1.NewEnrolmentServiceClient(c).RotateCertificate(t.Context(), &monitorsv1.RotateCertificateRequest{CertificateRequest: csr})
	if err != nil || !bytes.Equal(got.GetCertificate(), c.identity.Load().Certificate) {
		t.Errorf("a call with a wrong clock: %v", err)
	}
	if off := time.Duration(c.offset.Load()).Abs(); off > time.Minute {
		t.Errorf("the clock is still taken to be wrong by %s", off)
	}
	if told != 1 {
		t.Errorf("it was told %d times", told)
	}
}
