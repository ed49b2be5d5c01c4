package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// slowDisk is a folder on which a sync takes as long as the test says.
type slowDisk struct {
	t     testing.TB
	tell  io.Writer
	heard *bufio.Scanner
}

// slowDiskTool builds tools/slowdisk, which has a module of its own, or says why it cannot be used.
var slowDiskTool = sync.OnceValues(func() (string, error) {
	if os.Getuid() != 0 {
		return "", errors.New("mounting needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return "", err
	}
	path := filepath.Join(workDir, "slowdisk")
	build := exec.Command("go", "-C", filepath.Join("..", "tools", "slowdisk"), "build", "-o", path, ".")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tools/slowdisk: %w: %s", err, out)
	}
	return path, nil
})

// newSlowDisk mounts a folder in another place, until the test ends; nil where it cannot.
func newSlowDisk(t testing.TB, folder, at string) *slowDisk {
	t.Helper()
	tool, err := slowDiskTool()
	if err != nil {
		t.Logf("no disk is slow, because none can be made: %v", err)
		return nil
	}
	for _, dir := range []string{folder, at} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, folder, at)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := onStarter(cmd.Start); err != nil {
		t.Fatal(err)
	}
	d := &slowDisk{t: t, tell: in, heard: bufio.NewScanner(out)}
	if !d.heard.Scan() {
		t.Logf("no disk is slow, because none can be mounted: %v", cmd.Wait())
		return nil
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("slowdisk: %v", err)
			_ = exec.Command("umount", "--lazy", at).Run()
		}
	})
	return d
}

// syncsTake slows every sync down from now on; 0 ends that, for those under way too.
func (d *slowDisk) syncsTake(each time.Duration) {
	d.t.Helper()
	if _, err := fmt.Fprintln(d.tell, each); err != nil {
		d.t.Fatalf("tell slowdisk: %v", err)
	}
	if !d.heard.Scan() {
		d.t.Fatalf("slowdisk has ended: %v", d.heard.Err())
	}
}

// A server whose disk takes half a second for each sync checks in time and loses nothing; it is no target's fault, and an outage
// during it is announced.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	var disk *slowDisk
	s := start(t, func(s *server) {
		if disk = newSlowDisk(t, s.dir+" below", s.dir); disk == nil {
			t.Skip("needs a disk that can be slowed down")
		}
	})
	k, well, ill := newSink(t), newSite(t, nil), newSite(t, nil)
	s.channel(k, "ops")
	var ids []int
	for i := range 40 {
		ids = append(ids, s.create(tcpMonitor("127.0.0.1", well.port(), obj{"name": fmt.Sprint("steady ", i), "confirm_down": 1})))
	}
	shop := s.create(httpMonitor(ill.url(), obj{"name": "shop", "retry_interval_seconds": 1}))
	s.statusIs(shop, "up", 20*time.Second)
	s.statusIs(ids[len(ids)-1], "up", 20*time.Second)

	began := time.Now()
	disk.syncsTake(500 * time.Millisecond)
	<-time.After(length(5*time.Second, 5*time.Minute))
	stopped := time.Now()
	ill.stop()
	k.wait(t, "ops", "monitor.down", 30*time.Second)
	t.Logf("alert %v after the target stopped, with a slow disk", time.Since(stopped).Round(time.Millisecond))
	ill.start()
	k.wait(t, "ops", "monitor.recovered", 30*time.Second)
	ended := time.Now()
	disk.syncsTake(0)

	until := time.Now().UTC().Truncate(time.Second)
	for _, id := range ids {
		if one := s.account(id, until); one.results+one.missed != one.due {
			t.Errorf("monitor %d: %d results and %d missed slots are not %d due slots", id, one.results, one.missed, one.due)
		}
		late := 0
		for _, e := range s.events(id, "") {
			if e.ScheduledAt.Before(began) || e.ScheduledAt.After(ended) {
				continue
			}
			if e.Status != "success" {
				t.Errorf("monitor %d: %s %s due %v, while the disk was slow", id, e.Status, e.errorType(), e.ScheduledAt)
			}
			if e.Timestamp.Sub(e.ScheduledAt) > 500*time.Millisecond {
				late++
			}
		}
		if late > 0 {
			t.Errorf("monitor %d: %d checks began half a second late", id, late)
		}
		// Before its first check it is unknown.
		if states := s.states(id); len(states) > 2 || states[len(states)-1] != "up" || slices.Contains(states, "down") {
			t.Errorf("monitor %d, whose target was well, was %v", id, states)
		}
	}
	if in := s.incidents(0); len(in) != 1 || in[0].MonitorID != shop {
		t.Errorf("one outage is %d incidents: %+v", len(in), in)
	}
	s.inOrder(append(ids, shop))
}
