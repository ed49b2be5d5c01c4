package nettest

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	hostsFile  = "/etc/hosts"
	resolvFile = "/etc/resolv.conf"

	// settingsRecheck is how often the files are looked at for changes.
	settingsRecheck = time.Second
	// settingsLimit bounds what is read of each file; lists that block millions of
	// names are smaller.
	settingsLimit = 64 << 20
	// maxNameServers is what resolv.conf(5) allows.
	maxNameServers = 3
)

// dnsSettings is what /etc/resolv.conf and /etc/hosts say. It never changes.
type dnsSettings struct {
	generation uint64

	servers  []netip.AddrPort
	search   []string // with a dot at the end
	ndots    int
	attempts int
	timeout  time.Duration
	patient  bool // the time doubles with every round
	rotate   bool
	useTCP   bool

	hosts map[string][]netip.Addr // by lower-case name without a dot at the end

	hostsInfo, resolvInfo fs.FileInfo // nil if the file is missing
}

// settingsFiles reads the settings and reads them again when a file changes.
// The zero value is ready.
type settingsFiles struct {
	hosts, resolv string // paths; empty means the system's

	mu      sync.Mutex
	now     atomic.Pointer[dnsSettings]
	checked atomic.Int64 // monotonic
}

// get returns the current settings. It fails only while they were never read and
// this machine cannot read them.
func (f *settingsFiles) get() (*dnsSettings, error) {
	f.refresh(monotonic())
	if s := f.now.Load(); s != nil {
		return s, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.now.Load(); s != nil {
		return s, nil
	}
	return f.read(nil)
}

// generation tells settings apart; it does not block. now is monotonic().
func (f *settingsFiles) generation(now int64) uint64 {
	f.refresh(now)
	if s := f.now.Load(); s != nil {
		return s.generation
	}
	return 0
}

// refresh looks for changes, once in settingsRecheck and by one caller only. What
// cannot be read anew stays in force.
func (f *settingsFiles) refresh(now int64) {
	if now-f.checked.Load() < int64(settingsRecheck) || f.now.Load() == nil || !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	f.checked.Store(now)
	old := f.now.Load()
	if unchanged(f.path(f.hosts, hostsFile), old.hostsInfo) && unchanged(f.path(f.resolv, resolvFile), old.resolvInfo) {
		return
	}
	_, _ = f.read(old)
}

// read makes new settings current; the caller holds mu.
func (f *settingsFiles) read(old *dnsSettings) (*dnsSettings, error) {
	s := &dnsSettings{generation: 1}
	if old != nil {
		s.generation = old.generation + 1
	}
	text, info, err := readSettings(f.path(f.hosts, hostsFile))
	if err != nil {
		return nil, err
	}
	s.hosts, s.hostsInfo = parseHosts(text), info
	text, info, err = readSettings(f.path(f.resolv, resolvFile))
	if err != nil {
		return nil, err
	}
	s.resolvInfo = info
	s.parseResolv(text)
	f.checked.Store(monotonic())
	f.now.Store(s)
	return s, nil
}

func (f *settingsFiles) path(own, system string) string {
	if own != "" {
		return own
	}
	return system
}

// readSettings reads a file; one that is missing or forbidden is empty.
func readSettings(path string) (string, fs.FileInfo, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, settingsLimit))
	return string(text), info, err
}

func unchanged(path string, old fs.FileInfo) bool {
	info, err := os.Stat(path)
	if err != nil {
		return old == nil || !errors.Is(err, fs.ErrNotExist)
	}
	return old != nil && os.SameFile(info, old) && info.Size() == old.Size() && info.ModTime().Equal(old.ModTime())
}

// parseHosts reads hosts(5). Lines that are not understood are left out.
func parseHosts(text string) map[string][]netip.Addr {
	hosts := make(map[string][]netip.Addr)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			name = hostKey(name)
			hosts[name] = append(hosts[name], addr.Unmap())
		}
	}
	return hosts
}

func hostKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// parseResolv reads resolv.conf(5) with the defaults and limits that Go's own
// resolver has.
func (s *dnsSettings) parseResolv(text string) {
	s.ndots, s.attempts, s.timeout = 1, 2, 5*time.Second
	for line := range strings.Lines(text) {
		if line[0] == '#' || line[0] == ';' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(s.servers) < maxNameServers {
				s.servers = append(s.servers, netip.AddrPortFrom(addr, 53))
			}
		case "domain":
			s.search = searchList(fields[1:2])
		case "search":
			s.search = searchList(fields[1:])
		case "options":
			for _, option := range fields[1:] {
				s.parseOption(option)
			}
		}
	}
	if len(s.servers) == 0 {
		s.servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("[::1]:53")}
	}
	if len(s.search) == 0 {
		if name, err := os.Hostname(); err == nil {
			if _, domain, ok := strings.Cut(name, "."); ok {
				s.search = searchList([]string{domain})
			}
		}
	}
}

func (s *dnsSettings) parseOption(option string) {
	name, value, _ := strings.Cut(option, ":")
	number, err := strconv.Atoi(value)
	switch name {
	case "ndots":
		if err == nil {
			s.ndots = min(max(number, 0), 15)
		}
	case "timeout":
		if err == nil {
			s.timeout = time.Duration(min(max(number, 1), 30)) * time.Second
		}
	case "attempts":
		if err == nil {
			s.attempts = min(max(number, 1), 5)
		}
	case "rotate":
		s.rotate = true
	case "use-vc", "usevc", "tcp":
		s.useTCP = true
	}
}

func searchList(domains []string) []string {
	var list []string
	for _, domain := range domains {
		if domain = absolute(domain); domain != "." {
			list = append(list, domain)
		}
	}
	return list
}

// candidates returns the absolute names that a name may stand for, in the order
// in which they are asked.
func (s *dnsSettings) candidates(name string) []string {
	if strings.HasSuffix(name, ".") {
		return withoutOnion([]string{name})
	}
	own := name + "."
	names := make([]string, 0, 1+len(s.search))
	dotted := strings.Count(name, ".") >= s.ndots
	if dotted {
		names = append(names, own)
	}
	for _, domain := range s.search {
		if long := own + domain; len(long) <= 254 {
			names = append(names, long)
		}
	}
	if !dotted {
		names = append(names, own)
	}
	return withoutOnion(names)
}

// withoutOnion leaves out names that must not be asked of the DNS (RFC 7686).
func withoutOnion(names []string) []string {
	kept := names[:0]
	for _, name := range names {
		if !strings.HasSuffix(strings.ToLower(name), ".onion.") {
			kept = append(kept, name)
		}
	}
	return kept
}

// epoch is where monotonic counts from.
var epoch = time.Now()

// monotonic is the time in nanoseconds since some moment long ago, so that 0 is
// always over; unlike time.Now it costs one reading of one clock.
func monotonic() int64 { return 1<<61 + int64(time.Since(epoch)) }

// monotonicAt is monotonic at a moment that time.Now gave.
func monotonicAt(t time.Time) int64 { return 1<<61 + int64(t.Sub(epoch)) }
