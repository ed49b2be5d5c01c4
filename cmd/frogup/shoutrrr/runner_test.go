package shoutrrr

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/services/alerts/notify"
)

func policyOf(t *testing.T, words ...string) egress.Policy {
	t.Helper()
	p, err := egress.ParsePolicy(words)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// silence is a receiver that takes requests and never answers. It lets go of who lets go of it.
func silence(t *testing.T) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait() // for ever, if a process is left that holds a connection
	})
	return l.Addr().String()
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// children are the processes that this one has started and that are still there, zombies included.
func children(t *testing.T) (out []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(all) == 0 {
		t.Skip("there is no /proc to look into")
	}
	for _, name := range all {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			out = append(out, string(raw))
		}
	}
	return out
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc to look into")
	}
	return len(all)
}

// A receiver that never answers costs one attempt its time, and leaves neither a process nor a descriptor behind: whether the
// process gives up by itself or has to be killed.
func TestNothingOutlivesItsTime(t *testing.T) {
	host := silence(t)
	for name, limit := range map[string]time.Duration{"send": 2 * time.Second, "hang": time.Second} {
		r := actor(t, name, "private")
		before := 0
		for i := range 3 {
			begun := time.Now()
			_, err := r.Send(within(t, limit), notify.ShoutrrrJob{URL: "generic+http://" + host + "/", Message: "x"})
			took := time.Since(begun)
			if name == "hang" && !errors.Is(err, errTime) {
				t.Errorf("%s: %v", name, err)
			}
			if took > limit+lastGasp {
				t.Errorf("%s took %v", name, took)
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("%s left a process: %v", name, left)
			}
			if i == 0 {
				before = descriptors(t) // the first use opens what the runtime keeps
				continue
			}
			now := descriptors(t)
			for until := time.Now().Add(5 * time.Second); now > before && time.Now().Before(until); now = descriptors(t) {
				<-time.After(time.Millisecond) // the receiver's side is in this process, and closes a moment later
			}
			if now > before {
				t.Errorf("%s: %d descriptors, %d before", name, now, before)
			}
		}
	}
}

// A process that gives up by itself says so.
func TestGivingUp(t *testing.T) {
	out, err := actor(t, "send", "private").Send(within(t, 5*time.Second), notify.ShoutrrrJob{URL: "generic+http://" + silence(t) + "/", Message: "x"})
	if err != nil || out.Taken || out.Fault != errTime.Error() || out.ForGood {
		t.Errorf("%+v, %v", out, err)
	}
}

// What a process does wrong is no more than a message that may or may not have arrived; nothing of what it says in dying is told.
func TestProcessesThatFail(t *testing.T) {
	for name, want := range map[string]error{"crash": errCrash, "silent": errCrash, "loud": errTooLong, "hang": errTime} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := actor(t, name)
			url := "generic+http://127.0.0.1/" + secret
			ctx := within(t, 20*time.Second)
			if name == "hang" {
				ctx = within(t, time.Second)
			}
			if out, err := r.Send(ctx, notify.ShoutrrrJob{URL: url}); !errors.Is(err, want) || out.Taken || out.Status != 0 {
				t.Errorf("%+v, %v", out, err)
			}
			if got := notify.Shoutrrr(r.Send).Send(ctx, nil, settings(t, url), parcel); got.OK || got.Refused || strings.Contains(got.Error, secret) {
				t.Errorf("%+v", got)
			}
		})
	}
	r := actor(t, "send")
	r.program = filepath.Join(t.TempDir(), "nothing")
	if _, err := r.Send(t.Context(), notify.ShoutrrrJob{}); !errors.Is(err, errStart) {
		t.Errorf("no program: %v", err)
	}
}

// Of the environment a process has what says whose certificates are trusted.
func TestEnvironment(t *testing.T) {
	r := actorIn(t, "environment", map[string]string{"SSL_CERT_DIR": "/certs", "HTTP_PROXY": "http://proxy", "FROGUP_SECRET_KEYSET": secret})
	out, err := r.Send(t.Context(), notify.ShoutrrrJob{})
	if want := "SSL_CERT_DIR=/certs " + part + "=environment"; err != nil || out.Said != want {
		t.Errorf("%q, %v; want %q", out.Said, err, want)
	}
}

// No more than MaxProcesses run at once; who waits in vain says why.
func TestTurns(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		now--
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	r := actor(t, "send", "private")
	send := func(ctx context.Context) error {
		_, err := r.Send(ctx, notify.ShoutrrrJob{URL: "generic+" + srv.URL + "/", Message: "x"})
		return err
	}
	results := make(chan error, 2*MaxProcesses)
	for range 2 * MaxProcesses {
		go func() { results <- send(within(t, 60*time.Second)) }()
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		mu.Lock()
		full := now == MaxProcesses
		mu.Unlock()
		if full {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("they do not all run")
		}
		<-time.After(time.Millisecond)
	}
	if err := send(within(t, 50*time.Millisecond)); !errors.Is(err, errBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	close(release)
	for range 2 * MaxProcesses {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if most != MaxProcesses {
		t.Errorf("%d at once", most)
	}
}
