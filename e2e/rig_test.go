package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

// rig is a suite with two replicas of monitors and two probers, with a folder each, in which every way that a fault is tried on
// is a link.
type rig struct {
	*suite
	t          testing.TB
	postgres   *postgrestest.Server
	clickhouse *clickhousetest.Server
	links      map[string]*link // "events to postgres", "prober a to monitors", …
	second     string           // address of the second replica of monitors
	folders    map[string]string
	probers    []string
	regions    map[string]string   // of a prober; "" is local
	wraps      map[string][]string // commands that probers are run under
	disk       string              // small disk that a prober's folder lies on; "" if there is none
	slow       *slowDisk           // that a prober's folder is on; nil if there is none
}

// leaseTTL of the rig: shorter than the default, so that a test sees many leases end.
const leaseTTL = "4s"

// noticeQuiet is how long a trouble must be over before it is told as over.
const noticeQuiet = "2s"

// newRig makes the form of a server with the probers named.
func newRig(s *server, probers ...string) *rig {
	s.t.Helper()
	pg, ch := postgrestest.Start(s.t, "max_connections=300"), clickhousetest.Start(s.t)
	r := &rig{t: s.t, postgres: pg, clickhouse: ch, links: map[string]*link{}, second: freeAddress(s.t), folders: map[string]string{},
		probers: probers, regions: map[string]string{}}
	r.suite = newSuiteOn(s, pg.DSN(), ch.DSN())
	r.addresses["gateway"] = freeAddress(s.t) // the same after each start
	for _, name := range probers {
		r.folders[name] = filepath.Join(s.dir, "prober "+name)
		for _, to := range []string{"monitors", "events"} {
			r.link("prober "+name+" to "+to, r.addresses[to])
		}
	}
	for _, name := range []string{"accounts", "events", "alerts", "monitors", "monitors 2"} {
		r.link(name+" to postgres", hostOf(s.t, pg.DSN()))
	}
	r.link("events to clickhouse", hostOf(s.t, ch.DSN()))
	return r
}

func (r *rig) link(name, target string) { r.links[name] = newLink(r.t, target) }

func hostOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// over is a DSN that leads over a link.
func (r *rig) over(dsn, link string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	u.Host = r.links[link].address()
	return u.String()
}

// processes are those of the suite, with the second monitors beside the first and the probers in place of the one.
func (r *rig) processes(s *server) []*process {
	var all []*process
	for _, p := range r.suite.processes(s) {
		switch p.name {
		case "monitors":
			other := *p
			other.label, other.args = "monitors 2", replaced(p.args, "--listen", r.second)
			other.env = slices.Clone(p.env)
			for _, one := range []*process{p, &other} {
				one.args = append(one.args, "--lease-ttl", leaseTTL)
				all = append(all, one)
			}
		case "prober":
			for i, name := range r.probers {
				one := *p
				one.label, one.env = "prober "+name, slices.Clone(p.env)
				if i > 0 {
					one.args = replaced(p.args, "--listen", freeAddress(s.t))
				} else {
					one.args = slices.Clone(p.args)
				}
				one.args = append(one.args, "--data", r.folders[name], "--prober-id", name, "--spool-mib", "64",
					"--monitors", r.links["prober "+name+" to monitors"].named(),
					"--events", r.links["prober "+name+" to events"].named())
				one.wrap = r.wraps[name]
				if region := r.regions[name]; region != "" {
					one.args = append(one.args, "--region", region)
				}
				all = append(all, &one)
			}
		default:
			all = append(all, p)
		}
	}
	both := strings.ReplaceAll(r.addresses["monitors"]+","+r.second, "127.0.0.1", "localhost")
	for _, p := range all {
		label := p.as()
		if p.name == "alerts" {
			p.args = append(p.args, "--notice-quiet", noticeQuiet)
		}
		if slices.Contains([]string{"events", "alerts", "gateway"}, p.name) {
			p.args = append(p.args, "--monitors", both)
		}
		for i, e := range p.env {
			if link := label + " to postgres"; strings.HasPrefix(e, "FROGUP_DATABASE=") && r.links[link] != nil {
				p.env[i] = "FROGUP_DATABASE=" + r.over(r.suite.postgres, link)
			}
			if strings.HasPrefix(e, "FROGUP_HISTORY=") && p.name == "events" {
				p.env[i] = "FROGUP_HISTORY=" + r.over(r.history, "events to clickhouse")
			}
		}
	}
	return all
}

// replaced is args with another value of a flag.
func replaced(args []string, flag, value string) []string {
	out := slices.Clone(args)
	if at := slices.Index(out, flag); at >= 0 {
		out[at+1] = value
	}
	return out
}

// full fills the disk that a folder is on until the function that it returns is called.
func full(t testing.TB, folder string) (empty func()) {
	t.Helper()
	path := filepath.Join(folder, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	_ = f.Close()
	return func() { _ = os.Remove(path) }
}
