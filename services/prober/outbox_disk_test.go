package prober

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

func openOutbox(t testing.TB, dir string, o OutboxOptions) Outbox {
	t.Helper()
	box, err := OpenOutbox(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

// await waits until Read has something above after.
func await(o Outbox, after uint64) {
	for !ready(o, after) {
		<-o.Ready(after)
	}
}

// all reads every result above after.
func all(t testing.TB, o Outbox, after uint64) (rows []*checkv1.CheckResult, traces map[uint64]string) {
	t.Helper()
	traces = map[uint64]string{}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		b, err := o.Read(ctx, after, 1000, nil)
		cancel()
		if err != nil {
			return rows, traces
		}
		for i, text := range b.Traceparents {
			traces[b.First+uint64(i)] = text
		}
		rows = append(rows, results(t, b)...)
		after = b.First + uint64(b.Count) - 1
	}
}

func TestDiskOutboxOutlivesItsProcess(t *testing.T) {
	dir, slot := t.TempDir(), time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	box := openOutbox(t, dir, OutboxOptions{})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for i := range 100 {
		r := &checkv1.CheckResult{
			MonitorId: uint32(i%10 + 1), ScheduledAt: stamp(slot.Add(time.Duration(i/10) * time.Second)),
			StartedAt: stamp(slot.Add(time.Duration(i) * time.Millisecond)), Status: checkv1.ResultStatus_RESULT_STATUS_SUCCESS,
		}
		switch {
		case i == 95: // the last of monitor 6
			r.Status, r.MissedCount = checkv1.ResultStatus_RESULT_STATUS_MISSED, 7
			r.NextScheduledAt = stamp(slot.Add(16 * time.Second))
		case i == 86 || i == 96:
			r.Status = checkv1.ResultStatus_RESULT_STATUS_TIMEOUT
		case i%10 == 7:
			r.Status = checkv1.ResultStatus_RESULT_STATUS_FAILURE
		}
		trace := ""
		if i == 50 {
			trace = parent
		}
		if seq := put(t, box, r, trace); seq != uint64(i+1) {
			t.Fatalf("number %d, want %d", seq, i+1)
		}
	}
	await(box, 99)
	box.Ack(10)
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}

	box = openOutbox(t, dir, OutboxOptions{})
	if box.Stored() != 10 || box.Pending() != 90 || box.Dropped() != 0 || !box.Oldest().Equal(slot.Add(10*time.Millisecond)) {
		t.Errorf("stored %d, pending %d, dropped %d, oldest %v", box.Stored(), box.Pending(), box.Dropped(), box.Oldest())
	}
	known := box.Recall()
	for id, want := range map[uint32]Recalled{
		1: {Slot: slot.Add(9 * time.Second), Broken: true},
		6: {Slot: slot.Add(9 * time.Second), Missed: 7, Next: slot.Add(16 * time.Second), Broken: true},
		7: {Slot: slot.Add(9 * time.Second), Failures: 2, Broken: true},
		8: {Slot: slot.Add(9 * time.Second), Failures: 9},
	} {
		if known[id] != want {
			t.Errorf("monitor %d: %+v, want %+v", id, known[id], want)
		}
	}
	if len(known) != 10 || box.Recall() != nil {
		t.Errorf("%d monitors are recalled", len(known))
	}
	rows, traces := all(t, box, box.Stored())
	if len(rows) != 90 || rows[85].GetMissedCount() != 7 || len(traces) != 1 || traces[51] != parent {
		t.Errorf("%d rows, traces %v", len(rows), traces)
	}
	if seq := put(t, box, &checkv1.CheckResult{MonitorId: 1}, ""); seq != 101 {
		t.Errorf("numbers go on with %d", seq)
	}
	await(box, 100)
	box.Ack(101)
	if box.Pending() != 0 || box.Bytes() != 0 || !box.Oldest().IsZero() {
		t.Errorf("%d results of %d bytes are pending, the oldest of %v", box.Pending(), box.Bytes(), box.Oldest())
	}
}

// Whatever is appended, acknowledged and closed in between: what is read is what was appended, in order, and the figures are its.
func TestDiskOutboxAgainstAList(t *testing.T) {
	// Each of them syncs a real disk many times.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
		if err := checks.Value.Set("15"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "spool") //nolint:usetesting // one for each list
		if err != nil {
			rt.Fatal(err)
		}
		o := openOutbox(t, dir, OutboxOptions{})
		defer func() { _ = o.Close() }()
		var kept [][]byte
		head := uint64(1)
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				length := rapid.SampledFrom([]int{0, 1, 100, 1000, 40_000, segmentBytes + 1}).Draw(rt, "length")
				for range rapid.IntRange(1, max(1, min(1500, 1_000_000/(length+1)))).Draw(rt, "times") {
					row, err := proto.Marshal(&checkv1.CheckResult{MonitorId: uint32(head) + uint32(len(kept)), MonitorName: strings.Repeat("x", length)})
					if err != nil {
						rt.Fatal(err)
					}
					kept = append(kept, row)
					if seq := o.Append(row, ""); seq != head+uint64(len(kept))-1 {
						rt.Fatalf("sequence number %d, want %d", seq, head+uint64(len(kept))-1)
					}
				}
				await(o, head+uint64(len(kept))-2)
			},
			"acknowledge": func(rt *rapid.T) {
				n := rapid.IntRange(0, len(kept)).Draw(rt, "n")
				kept, head = kept[n:], head+uint64(n)
				o.Ack(head - 1)
			},
			"read": func(rt *rapid.T) {
				if len(kept) == 0 {
					return
				}
				at, limit := rapid.IntRange(0, len(kept)-1).Draw(rt, "at"), rapid.IntRange(1, 5000).Draw(rt, "limit")
				b, err := o.Read(t.Context(), head+uint64(at)-1, limit, nil)
				if err != nil || b.Count < 1 || b.Count > limit || b.First != head+uint64(at) || b.Count > 1 && len(b.Frames) > batchBytes {
					rt.Fatalf("read from %d: %d from %d, %v", at, b.Count, b.First, err)
				}
				if at == 0 && b.Count < min(limit, len(kept)) && len(b.Frames) < batchBytes/2 && len(kept[b.Count]) < batchBytes/2 {
					rt.Fatalf("a batch of %d, although %d are there", b.Count, len(kept))
				}
				for i, r := range results(t, b) {
					if row, _ := proto.Marshal(r); !bytes.Equal(row, kept[at+i]) {
						rt.Fatalf("result %d of the batch is another one", i)
					}
				}
			},
			"open again": func(rt *rapid.T) {
				if err := o.Close(); err != nil {
					rt.Fatal(err)
				}
				o = openOutbox(t, dir, OutboxOptions{})
				if len(o.Recall()) != len(kept) {
					rt.Fatal("not every monitor is recalled")
				}
			},
			"": func(rt *rapid.T) {
				if o.Pending() != len(kept) || o.Dropped() != 0 || o.Stored() != head-1 {
					rt.Fatalf("%d pending, %d dropped, %d stored; want %d, 0, %d", o.Pending(), o.Dropped(), o.Stored(), len(kept), head-1)
				}
			},
		})
	})
}

// An outbox that may not drop anything takes no more: each slot that it refused is in a missed row once there is room, before
// any later result of its monitor.
func TestBlockedOutboxOwesSlots(t *testing.T) {
	box := openOutbox(t, t.TempDir(), OutboxOptions{MaxBytes: 256 << 10, Blocks: true})
	slot := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	due, refused := map[uint32]int{}, uint64(0)
	run := func(rounds int) {
		for range rounds {
			for id := uint32(1); id <= 5; id++ {
				n := due[id]
				r := &checkv1.CheckResult{
					MonitorId: id, OrganizationId: "org", MonitorName: strings.Repeat("n", 500), Epoch: 3,
					ScheduledAt: stamp(slot.Add(time.Duration(n) * time.Second)), StartedAt: stamp(slot), Status: checkv1.ResultStatus_RESULT_STATUS_FAILURE,
				}
				slots := 1
				if n%7 == 0 {
					slots, r.MissedCount, r.Status = 3, 3, checkv1.ResultStatus_RESULT_STATUS_MISSED
				}
				due[id] += slots
				if put(t, box, r, "") == 0 {
					refused += uint64(slots)
				}
			}
		}
	}
	run(150)
	if refused == 0 || box.Dropped() != refused {
		t.Fatalf("%d slots are refused, %d are counted", refused, box.Dropped())
	}
	next := map[uint32]int{}
	overloads := 0
	take := func() {
		rows, _ := all(t, box, box.Stored())
		for _, r := range rows {
			id, at := r.GetMonitorId(), int(r.GetScheduledAt().AsTime().Sub(slot)/time.Second)
			if at != next[id] {
				t.Fatalf("monitor %d: slot %d, want %d", id, at, next[id])
			}
			next[id] += max(int(r.GetMissedCount()), 1)
			if r.GetErrorType() == string(missedOverload) {
				overloads++
				if r.GetStatus() != checkv1.ResultStatus_RESULT_STATUS_MISSED || r.GetOrganizationId() != "org" || r.GetEpoch() != 3 || r.GetMonitorName() == "" {
					t.Errorf("%v", r)
				}
			}
		}
		box.Ack(box.Stored() + uint64(box.Pending()))
	}
	take()
	before := box.Dropped()
	run(10)
	if box.Dropped() != before {
		t.Error("there is room, and slots are refused")
	}
	take()
	for id, n := range due {
		if next[id] != n {
			t.Errorf("monitor %d: %d slots have a row of %d", id, next[id], n)
		}
	}
	if overloads < 5 || overloads > 15 { // the last bytes of room may take one of them
		t.Errorf("%d rows of slots that had no room, want about one for each monitor", overloads)
	}
}

const crashDirEnv = "FROGUP_TEST_OUTBOX_DIR"

// TestOutboxChild is the process that TestOutboxSurvivesKill kills.
func TestOutboxChild(t *testing.T) {
	dir := os.Getenv(crashDirEnv)
	if dir == "" {
		t.Skip("runs as a process of TestOutboxSurvivesKill")
	}
	box, err := OpenOutbox(dir, OutboxOptions{MaxBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	seq := box.Stored() + uint64(box.Pending())
	for {
		for range 50 {
			seq = put(t, box, &checkv1.CheckResult{MonitorId: uint32(seq + 1), MonitorName: fmt.Sprint("name of ", seq+1)}, "")
		}
		await(box, seq-1)
		fmt.Fprintf(os.Stdout, "durable %d\n", seq) // from now on it may be sent
		if seq%500 == 0 {
			box.Ack(seq - 250)
			fmt.Fprintf(os.Stdout, "acked %d\n", seq-250)
		}
	}
}

// A process that is killed loses nothing that it could have sent, and gives no number twice.
func TestOutboxSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for life := range 4 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestOutboxChild$")
		cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var durable, acked uint64
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			_, _ = fmt.Sscanf(lines.Text(), "durable %d", &durable)
			_, _ = fmt.Sscanf(lines.Text(), "acked %d", &acked)
			if n == 30+7*life {
				_ = cmd.Process.Kill()
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if durable == 0 {
			t.Fatal("the process said nothing")
		}

		box := openOutbox(t, dir, OutboxOptions{MaxBytes: 4 << 20})
		if box.Stored() > durable || box.Stored() < acked {
			t.Errorf("life %d: stored %d, acknowledged %d", life, box.Stored(), acked)
		}
		rows, _ := all(t, box, box.Stored())
		if last := box.Stored() + uint64(len(rows)); last < durable {
			t.Errorf("life %d: the last is %d, durable were %d", life, last, durable)
		}
		for i, r := range rows {
			if want := box.Stored() + uint64(i) + 1; uint64(r.GetMonitorId()) != want || r.GetMonitorName() != fmt.Sprint("name of ", want) {
				t.Fatalf("life %d: number %d is the result of %d", life, want, r.GetMonitorId())
			}
		}
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzGlance: rows are read by hand as the generated code reads them.
func FuzzGlance(f *testing.F) {
	row, _ := proto.Marshal(&checkv1.CheckResult{
		MonitorId: 7, ScheduledAt: stamp(time.Unix(1_800_000_000, 5)), NextScheduledAt: stamp(time.Unix(1_800_000_001, 5)), MissedCount: 3,
		Status: checkv1.ResultStatus_RESULT_STATUS_MISSED, MonitorName: "n",
	})
	f.Add(row)
	f.Fuzz(func(t *testing.T, row []byte) {
		x, ok := glance(row)
		var r checkv1.CheckResult
		if err := proto.Unmarshal(row, &r); err != nil || !ok {
			return
		}
		if x.monitor != r.GetMonitorId() || x.missed != r.GetMissedCount() || x.status != r.GetStatus() {
			t.Fatalf("%+v of %v", x, &r)
		}
		if s := r.GetScheduledAt().GetSeconds(); s > 0 && s < 1e9 && bytes.Count(row, []byte{0x22}) == 1 && r.GetScheduledAt().IsValid() &&
			x.scheduled != r.GetScheduledAt().AsTime().UnixNano() {
			t.Fatalf("%+v of %v", x, &r)
		}
	})
}
