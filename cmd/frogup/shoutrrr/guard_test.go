package shoutrrr

import (
	"errors"
	"fmt"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/alerts/notify"
)

// The list of services is the library's. A new one is refused until somebody has read how it connects, and has written it down.
func TestEveryServiceIsJudged(t *testing.T) {
	there := (&router.ServiceRouter{}).ListServices()
	slices.Sort(there)
	if judged := slices.Sorted(maps.Keys(notify.ShoutrrrSchemes)); !slices.Equal(judged, there) {
		t.Errorf("judged are\n%v, the library has\n%v", judged, there)
	}
}

// samples are URLs of services that may be used, one each; the receivers are what the services have built in, or nowhere.
var samples = map[string]string{
	"bark":       "bark://:key@receiver.example/",
	"discord":    "discord://token@1234567890",
	"generic":    "generic://receiver.example/hook",
	"googlechat": "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=bar&token=baz",
	"hangouts":   "hangouts://chat.googleapis.com/v1/spaces/FOO/messages?key=bar&token=baz",
	"ifttt":      "ifttt://webhookid/?events=event1",
	"join":       "join://token:apikey@join?devices=dev1",
	"lark":       "lark://open.larksuite.com/token",
	"matrix":     "matrix://user:password@receiver.example",
	"notifiarr":  "notifiarr://apikey?channel=123456789",
	"opsgenie":   "opsgenie://api.opsgenie.com/eb243592-faa2-4ba2-a551q-1afdf565c889",
	"pagerduty":  "pagerduty:///eb243592faa24ba2a5511afdf565c889",
	"pushbullet": "pushbullet://tokentokentokentokentokentokentoke/device",
	"pushover":   "pushover://:apptoken@usertoken",
	"rocketchat": "rocketchat://receiver.example/tokenA/tokenB",
	"signal":     "signal://receiver.example:8080/+4915100000001/+4915100000002",
	"slack":      "slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
	"teams":      "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333301222222222233333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=test.webhook.office.com",
	"telegram":   "telegram://000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@telegram/?chats=1234",
	"wecom":      "wecom://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa",
	"zulip":      "zulip://bot%40example.com:correcthorsebatterystable@example.zulipchat.com?stream=foo",
}

// deaf is a way out that counts who comes, and lets nobody through.
type deaf struct{ asked atomic.Int32 }

func (d *deaf) RoundTrip(*http.Request) (*http.Response, error) {
	d.asked.Add(1)
	return nil, &egress.Denied{Addr: netip.MustParseAddr("169.254.169.254"), Reason: "link-local"}
}

// Each service that may be used asks through the process's transport, and the first refusal of the guard is the end. That the
// service may report success, or panic, changes nothing.
func TestEveryServiceGoesThroughTheGuard(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	for scheme, why := range notify.ShoutrrrSchemes {
		url, ok := samples[scheme]
		if (why == "") != ok {
			t.Errorf("%s: a sample: %t, refused because: %q", scheme, ok, why)
		}
		if !ok {
			if _, err := locate(scheme + "://receiver.example/"); err == nil {
				t.Errorf("%s is located", scheme)
			}
			continue
		}
		d := &deaf{}
		w := &watch{through: d}
		http.DefaultTransport = w
		out := w.outcome(job{ShoutrrrJob: notify.ShoutrrrJob{URL: url, Message: "x"}, Until: time.Now().Add(20 * time.Second)})
		if d.asked.Load() == 0 || !strings.Contains(out.Fault, "not allowed here (link-local)") || !out.ForGood {
			t.Errorf("%s: asked %d times: %+v", scheme, d.asked.Load(), out)
		}
	}
}

// Nothing in the services that may be used makes a way out of its own, in whatever case: a transport, a dialer, a file, a program.
func TestServicesHaveNoWayOfTheirOwn(t *testing.T) {
	root, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}",
		"github.com/nicholas-fedor/shoutrrr/pkg/services/...", "github.com/nicholas-fedor/shoutrrr/pkg/util/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile(`http\.Transport\b|\.Transport\s*=|\bnet\.(Dial|Dialer|Listen|Resolver)|\btls\.(Dial|Client)|\bsmtp\.|os\.(Open|ReadFile|Create)|"os/exec"|"net/smtp"`)
	found := map[string]bool{}
	for _, dir := range strings.Fields(string(root)) {
		name := filepath.Base(dir)
		for _, path := range sources(t, dir) {
			text := code(t, path)
			if own.MatchString(text) {
				found[name] = true
			}
		}
	}
	delete(found, "standard") // reads templates from files, which no URL can name
	var refused []string
	for scheme, why := range notify.ShoutrrrSchemes {
		if strings.HasPrefix(why, "it connects by itself") {
			refused = append(refused, scheme)
		}
	}
	slices.Sort(refused)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, refused) {
		t.Errorf("with a way of their own: %v; refused for that: %v", got, refused)
	}
}

func sources(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != dir {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// code is a file without its comments.
func code(t *testing.T, path string) string {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := printer.Fprint(&b, set, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The guard of the process is the operator's: metadata in no case, loopback where it is not allowed, nor by a redirect.
func TestGuard(t *testing.T) {
	var asked atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer target.Close()
	here := "generic+" + target.URL + "/"
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", target.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer away.Close()
	metadata := "generic+http://169.254.169.254/latest/meta-data/"
	for name, tt := range map[string]struct {
		url, policy, says string
		status, reached   int
	}{
		"metadata":                   {metadata, "private", "not allowed here", 0, 0},
		"metadata of the public":     {metadata, "public-only", "not allowed here", 0, 0},
		"loopback of the public":     {here, "public-only", "not allowed here (loopback)", 0, 0},
		"loopback that is denied":    {here, "private,deny 127.0.0.1", "not allowed here", 0, 0},
		"loopback that is allowed":   {here, "public-only,allow 127.0.0.1/32", "", 204, 1},
		"loopback of the private":    {here, "private", "", 204, 1},
		"redirect":                   {"generic+" + away.URL + "/", "private", "redirects are not followed", 307, 0},
		"another spelling, loopback": {"generic+http://0.0.0.0:1/", "private", "not allowed here", 0, 0},
	} {
		asked.Store(0)
		r := notify.Shoutrrr(actor(t, "send", tt.policy).Send).Send(t.Context(), nil, settings(t, tt.url), parcel)
		if r.OK != (tt.says == "") || r.StatusCode != tt.status || !strings.Contains(r.Error, tt.says) || r.Refused == r.OK {
			t.Errorf("%s: %+v", name, r)
		}
		if int(asked.Load()) != tt.reached {
			t.Errorf("%s: reached %d times", name, asked.Load())
		}
	}
}

// An answer without an end is not read to its end.
func TestEndlessAnswer(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for line := strings.Repeat("x", 1<<10); r.Context().Err() == nil; {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	n := notify.Shoutrrr(actor(t, "send", "private").Send)
	begun := time.Now()
	r := n.Send(within(t, 30*time.Second), nil, settings(t, "bark://:key123@"+strings.TrimPrefix(endless.URL, "http://")+"/?scheme=http"), parcel)
	if r.OK || r.StatusCode != 200 || len(r.Response) > notify.MaxExcerpt || time.Since(begun) > 20*time.Second {
		t.Errorf("%+v after %v", r, time.Since(begun))
	}
}

// Why what the transport has seen decides: the library reports success where there was no answer, and panics where it should say so.
func TestWhyTheLibraryIsNotBelieved(t *testing.T) {
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = &deaf{}
	if err := deliver(notify.ShoutrrrJob{URL: samples["telegram"], Message: "x"}); err != nil {
		t.Errorf("telegram tells the truth now: %v", err)
	}
	if err := deliver(notify.ShoutrrrJob{URL: samples["zulip"], Message: "x"}); !errors.Is(err, errPanic) {
		t.Errorf("zulip does not panic any more: %v", err)
	}
}
