package alerts_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	alertsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/alerts/v1"
	auditv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/audit/v1"
	"github.com/frogstats/uptime/internal/audit"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/services/alerts"
)

// only returns the one message that the organization has.
func (w *world) only() *alertsv1.Delivery {
	w.t.Helper()
	list, err := w.alerts.ListDeliveries(editor(w.t), &alertsv1.ListDeliveriesRequest{})
	if err != nil || len(list.GetDeliveries()) != 1 {
		w.t.Fatalf("deliveries = %v, %v, want one", list, err)
	}
	return list.GetDeliveries()[0]
}

func (w *world) replay(id string) (*alertsv1.Delivery, error) {
	return w.alerts.ReplayDelivery(editor(w.t), &alertsv1.ReplayDeliveryRequest{Id: id})
}

// A receiver refuses for good and is mended: the message is replayed at once, under its old id, and every attempt at it can
// be read.
func TestReplay(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		c := w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		var mu sync.Mutex
		answer := alerts.Result{StatusCode: 410, Refused: true, Error: "gone", Response: "no such hook"}
		var ids []string
		w.service.SendThrough(func(_ context.Context, c alerts.Claim, _ time.Time) alerts.Result {
			time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // the bubble's clock jumps
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, c.ID)
			return answer
		})
		w.run()
		w.events.add(goes(7, 1, stateUp, stateDown))
		pass(500 * time.Millisecond)
		id := w.only().GetId()
		refused(t, w, id, "NOT_DEAD", "is pending; only dead deliveries can be replayed")
		pass(2 * time.Minute)
		if d := w.only(); d.GetState() != alertsv1.DeliveryState_DELIVERY_STATE_DEAD {
			t.Fatalf("delivery = %v", d)
		}
		if _, err := w.alerts.ReplayDelivery(stranger(t), &alertsv1.ReplayDeliveryRequest{Id: id}); status.Code(err) != codes.NotFound {
			t.Errorf("a stranger's replay: %v", err)
		}
		d, err := w.replay(id)
		if err != nil || d.GetState() != alertsv1.DeliveryState_DELIVERY_STATE_PENDING || d.GetAttempts() != 3 {
			t.Fatalf("replayed = %v, %v", d, err)
		}
		pass(time.Minute) // three new attempts, so that it is known to have begun anew
		mu.Lock()
		answer = alerts.Result{OK: true, StatusCode: 204, Response: "thanks"}
		mu.Unlock()
		if _, err = w.replay(id); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if d := w.only(); d.GetState() != alertsv1.DeliveryState_DELIVERY_STATE_DELIVERED || d.GetAttempts() != 7 {
			t.Errorf("delivery = %v", d)
		}
		refused(t, w, id, "NOT_DEAD", "is delivered; only dead deliveries can be replayed")
		mu.Lock()
		sent := slices.Clone(ids)
		mu.Unlock()
		if diff := cmp.Diff(slices.Repeat([]string{id}, 7), sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		checkAttempts(t, w, id)
		entries, err := w.audit.ListAuditEntries(admin(t), &auditv1.ListAuditEntriesRequest{Limit: 1})
		if err != nil || entries.GetEntries()[0].GetAction() != "delivery.replay" || entries.GetEntries()[0].GetObjectId() != id ||
			entries.GetEntries()[0].GetAfter().GetStructValue().AsMap()["state"] != "pending" {
			t.Errorf("audit = %v, %v", entries, err)
		}
		if _, err = w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()}); err != nil {
			t.Fatal(err)
		}
		w.stop()
	})
}

func refused(t *testing.T, w *world, id, reason, text string) {
	t.Helper()
	_, err := w.replay(id)
	f := fault.FromStatus(status.Convert(err))
	if f.Kind != fault.KindPrecondition || f.Reason != reason || !strings.Contains(f.Public, "id: "+id+" "+text) {
		t.Errorf("replay: %v, want %s and %q", err, reason, text)
	}
}

func checkAttempts(t *testing.T, w *world, id string) {
	t.Helper()
	log, err := w.alerts.ListDeliveryAttempts(editor(t), &alertsv1.ListDeliveryAttemptsRequest{Id: id})
	if err != nil || log.GetTotal() != 7 || len(log.GetAttempts()) != 7 {
		t.Fatalf("attempts = %v, %v", log, err)
	}
	last := time.Time{}
	for i, a := range log.GetAttempts() {
		want := "410 gone no such hook"
		if i == 6 {
			want = "204  thanks"
		}
		if got := fmt.Sprintf("%d %s %s", a.GetStatusCode(), a.GetError(), a.GetResponseExcerpt()); got != want || a.GetLatencyMs() != 1500 {
			t.Errorf("attempt %d = %v, want %s", i+1, a, want)
		}
		if a.GetNumber() != uint32(i+1) || !a.GetAt().AsTime().After(last) {
			t.Errorf("attempt %d = %v after %s", i+1, a, last)
		}
		last = a.GetAt().AsTime()
	}
	if _, err := w.alerts.ListDeliveryAttempts(stranger(t), &alertsv1.ListDeliveryAttemptsRequest{Id: id}); status.Code(err) != codes.NotFound {
		t.Errorf("a stranger's question: %v", err)
	}
}

// What has nowhere to go is not replayed.
func TestReplayWithoutTarget(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.know(7)
		c := w.createChannel(`{"type": "webhook", "name": "ops", "config": {"url": "https://example.com/"}}`)
		w.service.SendThrough(func(context.Context, alerts.Claim, time.Time) alerts.Result { return broken500 })
		w.run()
		w.events.add(goes(7, 1, stateUp, stateDown))
		pass(time.Second)
		id := w.only().GetId()
		set := func(text string) {
			t.Helper()
			if _, err := w.channels.UpdateChannel(admin(t), &alertsv1.UpdateChannelRequest{Id: c.GetId(), Channel: channelBody(t, text)}); err != nil {
				t.Fatal(err)
			}
		}
		set(`{"enabled": false}`)
		what := fmt.Sprint("channel ", c.GetId())
		refused(t, w, id, "TARGET_DISABLED", "is for "+what+", which is disabled; enable it first")
		set(`{"enabled": true}`)
		if _, err := w.replay(id); err != nil {
			t.Fatal(err)
		}
		if _, err := w.channels.DeleteChannel(admin(t), &alertsv1.DeleteChannelRequest{Id: c.GetId()}); err != nil {
			t.Fatal(err)
		}
		refused(t, w, id, "TARGET_GONE", "was for "+what+", which was deleted; there is nowhere to send it")
		w.stop()
	})
}

// A replayed message has a day before it again, with the pauses of a new one.
func TestReplayHasADay(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		d := deliver(t, nil, always(broken500))
		d.put(d.message("m", alerts.TypeDown, d.channel(), 7))
		pass(30 * time.Hour)
		first, began := len(d.attempts()), time.Now()
		_, err := d.store.Replay(t.Context(), orgA, "m", time.Now(), func(alerts.Delivery, alerts.TargetState) (audit.Row, error) {
			return audit.New(t.Context(), "delivery.replay", "delivery", "m"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d.courier.Nudge()
		pass(40 * time.Hour)
		again := d.attempts()[first:]
		if s := d.state("m"); s.State != alerts.DeliveryDead || len(again) < 10 {
			t.Fatalf("delivery = %+v after %d and %d attempts", s, first, len(again))
		}
		if last := d.began.Add(again[len(again)-1].at).Sub(began); last < 24*time.Hour || last > 24*time.Hour+time.Second {
			t.Errorf("the last attempt was after %s", last)
		}
		if pause := again[1].at - again[0].at; pause > 10*time.Second {
			t.Errorf("the second attempt came after %s", pause)
		}
	})
}
