package alerts_test

import (
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/alerts"
)

// A monitor flaps for an hour, once a minute; in the middle of it this service starts anew. Then it is quiet, and is told to be steady.
func TestFlappingForAnHour(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.flapping = alerts.Flapping{Changes: 5, Within: 15 * time.Minute}
		w.open()
		c := site(t, w, w)
		want := []string{"7 monitor.down", "7 monitor.recovered", "7 monitor.down", "7 monitor.recovered", "7 monitor.unstable"}
		for i := range 60 {
			w.events.add(turns(7, i%2 == 0))
			w.events.add(sees(1)) // nobody waits for its router
			pass(time.Minute)
			if i == 2 || i == 30 { // before it is known to be unstable, and while it is
				w.stop()
				w.open()
				w.service.SendThrough(c.take)
				w.run()
				pass(time.Second)
			}
		}
		c.wantAll(t, want...)
		pass(13 * time.Minute)
		c.wantAll(t, want...)
		pass(2 * time.Minute)
		c.wantAll(t, append(want, "7 monitor.stable")...)
		w.stop()
	})
}

func TestFlappingThatIsNone(t *testing.T) {
	w := newWorld(t)
	for _, f := range []alerts.Flapping{{Changes: 2, Within: time.Minute}, {Changes: 5}, {Changes: -1, Within: time.Minute}} {
		if _, err := alerts.New(alerts.Deps{
			Store: w.store, Log: w.log(), Secrets: w.box, PageKey: []byte("k"), Events: w.conn, Monitors: w.conn, Flapping: f,
		}); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}
