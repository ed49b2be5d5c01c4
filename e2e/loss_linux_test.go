package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// cable joins two namespaces by a device of that name at each end: net+"1" in n, net+"2" and so on in other.
func (n *namespace) cable(other *namespace, device, net string, addresses int) {
	n.t.Helper()
	if out, err := exec.Command("ip", "link", "add", device, "netns", n.name, "type", "veth", "peer", "name", device, "netns", other.name).CombinedOutput(); err != nil {
		n.t.Skipf("may not make a veth device: %v: %s", err, out)
	}
	n.inside("addr", "add", net+"1/24", "dev", device)
	for i := range addresses {
		other.inside("addr", "add", fmt.Sprintf("%s%d/24", net, i+2), "dev", device)
	}
	n.inside("link", "set", device, "up")
	other.inside("link", "set", device, "up")
}

// nft runs a command of nftables within the namespace.
func (n *namespace) nft(args ...string) string {
	n.t.Helper()
	out, err := exec.Command("nsenter", append([]string{"--net=" + n.path(), "nft"}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("nft %v: %v: %s", args, err, out)
	}
	return string(out)
}

// needsNFT skips the test where packets cannot be lost.
func (n *namespace) needsNFT() {
	n.t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		n.t.Skip("needs the command nft (nftables) to lose packets")
	}
	if out, err := exec.Command("nsenter", "--net="+n.path(), "nft", "add", "table", "inet", "loss").CombinedOutput(); err != nil {
		n.t.Skipf("may not filter packets: %v: %s", err, out)
	}
}

// loses begins to lose so many of a hundred packets that arrive on a device. They were sent: their sender sees nothing.
func (n *namespace) loses(device string, percent int) {
	n.t.Helper()
	n.nft("add", "counter", "inet", "loss", device)
	n.nft("add", "chain", "inet", "loss", device, "{ type filter hook input priority 0; }")
	n.nft("add", "rule", "inet", "loss", device, "iifname", device,
		"numgen", "random", "mod", "100", "<", strconv.Itoa(percent), "counter", "name", device, "drop")
}

var lostPackets = regexp.MustCompile(`packets (\d+)`)

// losesNoMore ends that, and returns how many there were.
func (n *namespace) losesNoMore(device string) int {
	n.t.Helper()
	said := n.nft("list", "counter", "inet", "loss", device)
	n.nft("delete", "chain", "inet", "loss", device)
	n.nft("delete", "counter", "inet", "loss", device)
	found := lostPackets.FindStringSubmatch(said)
	if found == nil {
		n.t.Fatalf("nft says %s", said)
	}
	lost, err := strconv.Atoi(found[1])
	if err != nil {
		n.t.Fatal(err)
	}
	return lost
}

// A prober on a line that loses a fifth of all packets, each way, to the centre and to the targets: what is slow for that is not
// down, every result gets through while it lasts, and no slot is without its row.
func TestSuiteProberLosesPackets(t *testing.T) {
	t.Parallel()
	host, centre, internet := newNamespace(t), newNamespace(t), newNamespace(t)
	host.needsNFT()
	centre.needsNFT()
	internet.needsNFT()
	host.cable(centre, "uplink", "10.97.0.", 1)
	host.cable(internet, "outside", "10.98.0.", 4)
	for _, witness := range []string{"10.98.0.3:53", "10.98.0.4:53", "10.98.0.5:53"} {
		internet.accept(witness)
	}
	target := newSiteOn(t, internet.listen, "10.98.0.2:8000", nil)
	names := newHosts(t, "10.97.0.2 monitors events")
	var r *rig
	s := start(t, withArgs("--notice-quiet", noticeQuiet, "--witness", "10.98.0.3:53", "--witness", "10.98.0.4:53", "--witness", "10.98.0.5:53"), func(s *server) {
		s.make = func(s *server) form {
			r = newRig(s, "a")
			for i, to := range []string{"monitors", "events"} {
				r.links["prober a to "+to] = newLinkOn(s.t, centre.listen, fmt.Sprintf("10.97.0.2:%d", 7000+i), to, r.addresses[to])
			}
			r.wraps = map[string][]string{"a": slices.Concat(host.command(), names.wrap())}
			return r
		}
	})
	k := newSink(t)
	s.channel(k, "ops")
	s.channel(k, "operator", "operator")
	// A request is repeated 3 and 9 s after it was sent, if that of the connection was too: one in two hundred is not answered within
	// the 10 s that a check has by default, and two of those in a row would rightly be down.
	const patience = 30_000
	var ids []int
	for i := range map[bool]int{true: 100, false: 20}[long] {
		// Confirmed as by default; the confirming check is the next slot, so that slots can be counted.
		one := tcpMonitor("10.98.0.2", 8000, obj{"tcp_config": obj{"host": "10.98.0.2", "port": 8000, "timeout_ms": patience}})
		if i%2 == 0 {
			one = httpMonitor(target.url(), obj{"http_config": obj{"url": target.url(), "timeout_ms": patience}})
		}
		one["name"], one["retry_interval_seconds"] = fmt.Sprint("steady ", i), 3600
		ids = append(ids, s.create(one))
	}
	for _, id := range ids {
		s.statusIs(id, "up", 20*time.Second)
	}
	const percent = 20
	ways := []struct {
		at     *namespace
		device string
	}{{host, "uplink"}, {centre, "uplink"}, {host, "outside"}, {internet, "outside"}}
	for _, w := range ways {
		w.at.loses(w.device, percent)
	}
	began := time.Now()
	<-time.After(length(15*time.Second, 10*time.Minute))
	middle := time.Now()
	for _, id := range ids { // while it lasts
		eventually(t, 60*time.Second, fmt.Sprint("results of monitor ", id, " to get through"), func() error {
			for _, e := range s.events(id, "&status=success") {
				if e.ScheduledAt.After(middle) {
					return nil
				}
			}
			return fmt.Errorf("none since %v", middle)
		})
	}
	took := time.Since(began)
	for _, w := range ways {
		lost := w.at.losesNoMore(w.device)
		t.Logf("%d packets lost on the way in of %s within %v", lost, w.device, took.Round(time.Second))
		if lost == 0 {
			t.Errorf("nothing was lost on the way in of %s", w.device)
		}
	}
	<-time.After(3 * time.Second)
	slow, faults := 0, 0
	for _, id := range ids {
		s.statusIs(id, "up", 30*time.Second)
		for _, e := range s.events(id, "") {
			slow += map[bool]int{true: 1}[e.Status == "success" && e.ResponseTimeMS >= 900]
			if e.Status == "failure" || e.Status == "timeout" {
				faults++
				t.Logf("monitor %d: %s %s in %q after %d ms", id, e.Status, e.errorType(), e.phase(), e.ResponseTimeMS)
			}
		}
		if up := s.uptime(id); up.Percentage == nil || *up.Percentage != 100 || up.Down != 0 {
			t.Errorf("monitor %d: uptime %+v, want 100 %%", id, up)
		}
	}
	t.Logf("%d checks took a second or more, %d failed; notices: %v", slow, faults, s.notices())
	if slow == 0 {
		t.Error("no check had to ask twice: nothing was tried")
	}
	s.wellThroughout(ids, k)
	s.inOrder(ids)
}
