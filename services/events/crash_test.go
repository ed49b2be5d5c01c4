package events_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/internal/identity"
	"github.com/frogstats/uptime/internal/rpc"
	"github.com/frogstats/uptime/services/events"
	"github.com/frogstats/uptime/services/events/sqlite"
)

// victimEnv makes this test binary a process that runs the service in a folder, with a prober, until it is killed.
const victimEnv = "EVENTS_TEST_VICTIM"

const (
	victimMonitors = 20
	victimStart    = "start" // file in the folder: the first slot, Unix milliseconds
)

// victimResult is what a monitor's check in a slot finds. It depends on nothing else, so that what is sent again is the same.
func victimResult(id uint32, start time.Time, slot int) *checkv1.CheckResult {
	rng := rand.New(rand.NewPCG(uint64(id), uint64(slot)))
	status := ok
	switch n := rng.IntN(10); {
	case n < 3:
		status = fail
	case n < 4:
		status = checkv1.ResultStatus_RESULT_STATUS_ERROR
	}
	r := result(id, "o1", start.Add(time.Duration(slot)*100*time.Millisecond), status)
	r.NextScheduledAt = nil
	return r
}

func victimCatalogue(start time.Time) *catalogue {
	c := &catalogue{steps: make(chan *monitorsv1.WatchCatalogResponse)}
	for id := range uint32(victimMonitors) {
		e := entry(id+1, "o1")
		e.ConfirmDown, e.ConfirmUp = 1+id%3, 1+id%2
		e.CreatedAt, e.UpdatedAt = timestamppb.New(start), timestamppb.New(start)
		c.entries = append(c.entries, e)
	}
	return c
}

func victimBegin(dir string) (time.Time, error) {
	b, err := os.ReadFile(filepath.Join(dir, victimStart))
	if err != nil {
		return time.Time{}, err
	}
	var at int64
	_, err = fmt.Sscan(string(b), &at)
	return time.UnixMilli(at).UTC(), err
}

// victim serves until it dies, and says after each acknowledgement up to which slot everything is stored and judged.
func victim(dir string) {
	if err := serveVictim(context.Background(), dir, os.Stdout, 1<<30); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// serveVictim runs the service and sends it results from the last stored slot on, until slot.
func serveVictim(ctx context.Context, dir string, words io.Writer, until int) error {
	start, err := victimBegin(dir)
	if err != nil {
		return err
	}
	state, err := sqlite.OpenState(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return err
	}
	history, err := sqlite.OpenHistory(ctx, filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		return err
	}
	monitors, err := serveMemory("monitors", func(r grpc.ServiceRegistrar) { monitorsv1.RegisterCatalogServiceServer(r, victimCatalogue(start)) })
	if err != nil {
		return err
	}
	s, err := events.New(events.Deps{State: slow{state}, Results: history, Monitors: monitors.conn, Log: slog.New(slog.DiscardHandler), PageKey: []byte("key")})
	if err != nil {
		return err
	}
	server, err := serveMemory("events", s.Register)
	if err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(runCtx) }()
	sent := probe(ctx, server.conn, start, words, until)
	closed := server.close()
	stop()
	return errors.Join(sent, closed, <-ran, state.Close(), history.Close(), monitors.close())
}

// slow is a state store whose commits take up to half a second, so that results are often stored long before they are judged.
type slow struct{ events.StateStore }

func (slow) Exclusive() bool { return true }

func (s slow) Commit(ctx context.Context, c events.Commit) error {
	select {
	case <-time.After(time.Duration(rand.IntN(500)) * time.Millisecond):
	case <-ctx.Done():
	}
	return s.StateStore.Commit(ctx, c)
}

func probe(ctx context.Context, conn *grpc.ClientConn, start time.Time, words io.Writer, until int) error {
	ctx, cancel := context.WithCancel(identity.NewContext(ctx, identity.Principal{Kind: identity.KindService, Name: "prober"}))
	defer cancel()
	client := eventsv1.NewRecorderServiceClient(conn)
	slots, err := client.ListLastSlots(ctx, &eventsv1.ListLastSlotsRequest{Region: "local"})
	if err != nil {
		return err
	}
	next := until
	for _, s := range slots.GetSlots() {
		next = min(next, int(s.GetScheduledAt().AsTime().Sub(start)/(100*time.Millisecond))+1)
	}
	if len(slots.GetSlots()) < victimMonitors {
		next = 0
	}
	stream, err := client.Record(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Hello{Hello: &eventsv1.RecordHello{ProberId: "p", Region: "local"}}}); err != nil {
		return err
	}
	first, sent := next, uint64(0)
	for ; next < until; next++ {
		b := &eventsv1.ResultBatch{FirstSeq: sent + 1}
		for id := range uint32(victimMonitors) {
			b.Results = append(b.Results, victimResult(id+1, start, next))
		}
		sent += victimMonitors
		if err := stream.Send(&eventsv1.RecordRequest{Step: &eventsv1.RecordRequest_Batch{Batch: b}}); err != nil {
			return err
		}
		if next%5 != 0 && next != until-1 { // up to five rounds are on their way at once
			continue
		}
		for done := uint64(0); done+4*victimMonitors < sent || next == until-1 && done < sent; {
			ack, err := stream.Recv()
			if err != nil {
				return err
			}
			done = min(ack.GetJudgedSeq(), ack.GetStoredSeq())
			fmt.Fprintln(words, first+int(done)/victimMonitors-1)
		}
	}
	return nil
}

// memoryServer is a real server in memory, for a process that has no testing.T.
type memoryServer struct {
	conn  *grpc.ClientConn
	close func() error
}

func serveMemory(name string, register func(grpc.ServiceRegistrar)) (*memoryServer, error) {
	signer, err := identity.NewSigner([]byte("a key that only tests know, 32 bytes and more"))
	if err != nil {
		return nil, err
	}
	srv, err := rpc.NewServer(rpc.Config{
		Service: name, Log: slog.New(slog.DiscardHandler), Signer: signer,
		Policy: func(string) (identity.Access, bool) { return identity.AccessPublic, true },
	})
	if err != nil {
		return nil, err
	}
	register(srv)
	mem := rpc.NewMemory()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(mem) }()
	conn, err := mem.Dial(rpc.ClientConfig{Signer: signer, Service: "events"})
	if err != nil {
		return nil, err
	}
	return &memoryServer{conn, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return errors.Join(conn.Close(), srv.Stop(ctx), <-served)
	}}, nil
}

// TestKilled kills the service at any moment, again and again, and in the end compares what it has judged and announced with
// what a judge makes of the stored results in one go: no transition is lost, none is invented, none is announced twice.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	start := time.Now().UTC().Truncate(time.Second)
	if err := os.WriteFile(filepath.Join(dir, victimStart), fmt.Append(nil, start.UnixMilli()), 0o600); err != nil {
		t.Fatal(err)
	}
	last := -1
	for range 8 {
		last = max(last, kill(t, dir, 1+rand.IntN(8)))
	}
	if last < 0 {
		t.Fatal("nothing was ever acknowledged")
	}
	until := last + 20
	if err := serveVictim(t.Context(), dir, io.Discard, until); err != nil {
		t.Fatal(err)
	}
	state, err := sqlite.OpenState(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	history, err := sqlite.OpenHistory(t.Context(), filepath.Join(dir, "history"), sqlite.HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(state.Close(), history.Close()); err != nil {
			t.Error(err)
		}
	}()
	announced := announcements(t, state)
	total := 0
	for id := uint32(1); id <= victimMonitors; id++ {
		total += checkJudgement(t, state, history, id, last, announced[id])
	}
	t.Logf("%d slots of %d monitors, %d transitions", until, victimMonitors, total)
}

// kill starts a victim, kills it within a second after it has said so many words, and returns its last.
func kill(t *testing.T, dir string, words int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); lines.Scan(); words-- {
		if words == 1 {
			time.AfterFunc(time.Duration(rand.IntN(700))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the victim died by itself: %v", err)
	}
	return last
}

// announcements are the numbers of the transitions in the feed, in its order, by monitor.
func announcements(t *testing.T, s *sqlite.State) map[uint32][]uint64 {
	t.Helper()
	out := map[uint32][]uint64{}
	for after := uint64(0); ; {
		page, err := s.Feed(t.Context(), events.FeedQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) == 0 {
			return out
		}
		for i := range page.Rows {
			row := &page.Rows[i]
			after = row.Seq
			if row.Kind != events.FeedTransition {
				continue
			}
			var e eventsv1.FeedEntry
			if err := proto.Unmarshal(row.Body, &e); err != nil {
				t.Fatal(err)
			}
			out[row.MonitorID] = append(out[row.MonitorID], e.GetTransition().GetTransitionSeq())
		}
	}
}

// checkJudgement returns the number of transitions.
func checkJudgement(t *testing.T, s *sqlite.State, h *sqlite.History, id uint32, acknowledged int, announced []uint64) int {
	t.Helper()
	snapshot, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge := events.NewJudge(events.Snapshot{})
	for _, m := range snapshot.Monitors {
		if m.ID == id {
			judge.Upsert(m.CreatedAt, m)
		}
	}
	n := 0
	err = h.Replay(t.Context(), id, map[string]time.Time{"local": {}}, func(r *events.Result) error {
		n++
		judge.Result(r.StartedAt, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n <= acknowledged {
		t.Errorf("monitor %d: %d results, %d slots were acknowledged", id, n, acknowledged+1)
	}
	var want []events.Timeline
	for _, tr := range judge.Take().Transitions {
		if tr.Region == "" {
			want = append(want, tr.Timeline)
		}
	}
	list, err := s.Transitions(t.Context(), events.TransitionQuery{MonitorID: id, To: time.Now().AddDate(1, 0, 0), Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	var got []events.Timeline
	for i := range list {
		got = append(got, list[len(list)-1-i].Timeline)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("monitor %d: timeline (-judged in one go +judged through kills):\n%s", id, d)
	}
	for i, seq := range announced {
		if seq != uint64(i+1) {
			t.Errorf("monitor %d: announced %v", id, announced)
			break
		}
	}
	if len(announced) != len(got)-1 { // the first interval is nobody's news
		t.Errorf("monitor %d: %d announcements of %d transitions", id, len(announced), len(got)-1)
	}
	return len(got) - 1
}
