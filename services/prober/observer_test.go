package prober

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	proberv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/prober/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/services/prober/nettest"
)

var (
	witnesses4 = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
	witnesses6 = []string{"2001:db8:ffff::1", "2001:db8:ffff::2", "2001:db8:ffff::3"}
)

// While nothing can be reached from here, nothing is said about any target: neither at the beginning, when the first checks
// have ended before anybody can know, nor at the end, when the last ones began before the network was back.
func TestAnOutageOfOursIsNoTargetsFault(t *testing.T) {
	for name, witnesses := range map[string][]string{"witnesses": witnesses4, "none": nil, "witnesses that never answer": {"198.18.0.1", "198.18.0.2"}} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				w := &world{dead: map[string]bool{"198.18.0.1": true, "198.18.0.2": true}}
				b := startInWorld(t, Config{}, w, witnesses...)
				for id := range uint32(300) {
					b.watch(id+1, fmt.Sprintf("203.%d.113.1", id%30), 1+id%5, time.Duration(1+id%4)*time.Second)
				}
				pass(30 * time.Second)
				w.set(func(w *world) { w.cut = true })
				pass(10 * time.Minute)
				w.set(func(w *world) { w.cut = false })
				back := time.Now()
				pass(30 * time.Second)
				synctest.Wait()
				due := b.metrics.due.Load()
				rows := b.stopAndRead(t)
				got := count(rows)
				if n := got["timeout connection_timeout"] + got["failure"]; n != 0 {
					t.Errorf("%d results blame a target: %v", n, got)
				}
				if got["error observer_offline"] < 10_000 || got["success"] < 5000 {
					t.Errorf("got %v", got)
				}
				ran, missed := tally(rows)
				if int64(ran+missed) < due {
					t.Errorf("%d ran + %d missed, due were %d", ran, missed, due)
				}
				inOrder(t, rows)
				for _, r := range rows {
					if r.GetStatus() == checkv1.ResultStatus_RESULT_STATUS_ERROR && r.GetStartedAt().AsTime().After(back.Add(2*time.Second)) {
						t.Fatalf("still an error %v after the network was back", r.GetStartedAt().AsTime().Sub(back))
					}
				}
			})
		})
	}
}

// A target that dies is told of as before, at most holdFor later: as soon as a witness has answered.
func TestATargetsDeathIsToldOf(t *testing.T) {
	for name, tt := range map[string]struct {
		witnesses []string
		others    uint32
		within    time.Duration
	}{
		"alone":                        {witnesses4, 0, roundPause + 100*time.Millisecond},
		"among others":                 {witnesses4, 200, 20 * time.Millisecond},
		"alone, without witnesses":     {nil, 0, 20 * time.Millisecond},
		"few, witnesses are barred":    {[]string{"198.18.0.1", "198.18.0.2"}, 3, 20 * time.Millisecond},
		"others, witnesses are barred": {[]string{"198.18.0.1"}, 20, holdFor + 100*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				w := &world{dead: map[string]bool{"198.18.0.1": true, "198.18.0.2": true}}
				b := startInWorld(t, Config{}, w, tt.witnesses...)
				b.watch(1, "203.0.113.1", 10, time.Second)
				for id := range tt.others {
					b.watch(2+id, fmt.Sprintf("203.%d.112.1", id), 1, time.Second)
				}
				pass(35 * time.Second)
				w.set(func(w *world) { w.dead["203.0.113.1"] = true })
				took, r := b.appearance(t, checkv1.ResultStatus_RESULT_STATUS_TIMEOUT, "connection_timeout")
				if took > tt.within || r.GetMonitorId() != 1 {
					t.Errorf("monitor %d was told of %v after its check, want monitor 1 within %v", r.GetMonitorId(), took, tt.within)
				}
				pass(20 * time.Second)
				got := count(b.stopAndRead(t))
				if got["timeout connection_timeout"] < 2 || got["error observer_offline"] != 0 {
					t.Errorf("got %v, want timeouts and no error", got)
				}
			})
		})
	}
}

// That witnesses were never reached is a policy's doing, and no fault; nor is it the witnesses' own end.
func TestWitnessesOutOfReachAreNoFault(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{dead: map[string]bool{}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		for id := range uint32(20) {
			b.watch(1+id, fmt.Sprintf("203.%d.112.1", id), 1, time.Second)
		}
		pass(10 * time.Second)
		w.set(func(w *world) { w.barred = true })
		pass(time.Minute)
		if f := b.observer.ailments(time.Now()); len(f) == 0 {
			t.Log("the witnesses were not missed")
		}
		w.set(func(w *world) { w.dead["203.7.112.1"] = true })
		pass(10 * time.Second)
		got := count(b.stopAndRead(t))
		if got["timeout connection_timeout"] < 4 {
			t.Errorf("got %v: a target died while others answered", got)
		}
	})
}

// Many targets that fall silent at once are doubted, and believed when the witnesses are well.
func TestAMassFailureStandsIfTheWitnessesAreWell(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{dead: map[string]bool{}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		for id := range uint32(40) {
			b.watch(1+id, fmt.Sprintf("203.%d.112.1", id), 1, 900*time.Millisecond)
		}
		pass(10 * time.Second)
		w.set(func(w *world) {
			for id := range 30 {
				w.dead[fmt.Sprintf("203.%d.112.1", id)] = true
			}
		})
		pass(3 * time.Second)
		if win := b.observer.window.Load(); win == nil || !win.tripped.Load() {
			t.Error("30 of 40 hosts fell silent, and nobody was startled")
		}
		pass(7 * time.Second)
		rows := b.stopAndRead(t)
		got := count(rows)
		if got["timeout connection_timeout"] < 30*7 || got["error observer_offline"] != 0 {
			t.Errorf("got %v", got)
		}
		inOrder(t, rows)
	})
}

// A refusal is an answer: nothing waits for a witness, and it proves the network.
func TestARefusalIsTheTargets(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{refuse: map[string]bool{"203.0.113.1": true}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		b.watch(1, "203.0.113.1", 1, time.Second)
		pass(20 * time.Second)
		if n := b.observer.held.Load(); n != 0 {
			t.Errorf("%d results wait", n)
		}
		if got := count(b.stopAndRead(t)); got["failure connection_refused"] < 18 || got["error observer_offline"] != 0 {
			t.Errorf("got %v", got)
		}
	})
}

// The families are told apart.
func TestFamiliesAreToldApart(t *testing.T) {
	const v4, v6 = "203.0.113.1", "2001:db8:1::1"
	run := func(t *testing.T, witnesses []string, live func(w *world)) (four, six map[string]int) {
		w := &world{dead: map[string]bool{}}
		b := startInWorld(t, Config{}, w, witnesses...)
		b.watch(4, v4, 1, 900*time.Millisecond)
		b.watch(6, v6, 1, 900*time.Millisecond)
		live(w)
		synctest.Wait()
		by := map[uint32][]*checkv1.CheckResult{}
		for _, r := range b.stopAndRead(t) {
			by[r.GetMonitorId()] = append(by[r.GetMonitorId()], r)
		}
		return count(by[4]), count(by[6])
	}
	both := append(append([]string(nil), witnesses4...), witnesses6...)
	t.Run("never any IPv6", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			four, six := run(t, both, func(w *world) {
				w.set(func(w *world) { w.cut6 = true })
				pass(20 * time.Second)
			})
			if six["timeout connection_timeout"] != 0 || six["error no_ipv6"] < 15 || four["success"] < 15 {
				t.Errorf("IPv4 %v, IPv6 %v", four, six)
			}
		})
	})
	t.Run("IPv6 is lost", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			four, six := run(t, both, func(w *world) {
				pass(10 * time.Second)
				w.set(func(w *world) { w.cut6 = true })
				pass(20 * time.Second)
			})
			if four["success"] < 25 || six["error no_ipv6"] < 15 || six["timeout connection_timeout"] != 0 {
				t.Errorf("IPv4 %v, IPv6 %v", four, six)
			}
		})
	})
	t.Run("an IPv6 target is lost", func(t *testing.T) {
		bubbletest.Test(t, func(t *testing.T) {
			four, six := run(t, both, func(w *world) {
				pass(10 * time.Second)
				w.set(func(w *world) { w.dead[v6] = true })
				pass(20 * time.Second)
			})
			if four["success"] < 25 || six["timeout connection_timeout"] < 15 || six["error no_ipv6"] != 0 {
				t.Errorf("IPv4 %v, IPv6 %v", four, six)
			}
		})
	})
}

// What answers on the own network proves nothing about the world, and the other way round.
func TestPlacesAreToldApart(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{dead: map[string]bool{}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		for id := range uint32(20) {
			b.watch(1+id, fmt.Sprintf("10.0.%d.1", id), 1, 900*time.Millisecond) // answer all the time
		}
		b.watch(100, "203.0.113.1", 1, 900*time.Millisecond)
		pass(10 * time.Second)
		w.set(func(w *world) { // the way out
			w.barred = true
			w.dead["203.0.113.1"], w.dead["10.0.7.1"] = true, true
		})
		pass(30 * time.Second)
		by := map[uint32][]*checkv1.CheckResult{}
		for _, r := range b.stopAndRead(t) {
			by[r.GetMonitorId()] = append(by[r.GetMonitorId()], r)
		}
		if got := count(by[100]); got["timeout connection_timeout"] != 0 || got["error observer_offline"] < 25 {
			t.Errorf("out in the world: %v", got)
		}
		if got := count(by[8]); got["timeout connection_timeout"] < 20 {
			t.Errorf("of its own network: %v", got)
		}
	})
}

// On a private network of ours too: what answers once the network is back proves nothing of the checks that began before.
func TestAnOutageOfAPrivateNetworkIsNoTargetsFault(t *testing.T) {
	for name, witnesses := range map[string][]string{"witnesses there": {"10.9.0.1", "10.9.0.2", "10.9.0.3"}, "witnesses in the world": witnesses4} {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				w := &world{dead: map[string]bool{}}
				b := startInWorld(t, Config{}, w, witnesses...)
				for id := range uint32(60) {
					b.watch(id+1, "10.8.0.1", 1, 800*time.Millisecond)
				}
				pass(10 * time.Second)
				for i := range 20 {
					w.set(func(w *world) { w.cut = true })
					pass(7*time.Second + time.Duration(i)*50*time.Millisecond)
					w.set(func(w *world) { w.cut = false })
					pass(10 * time.Second)
				}
				rows := b.stopAndRead(t)
				if got := count(rows); got["timeout connection_timeout"] != 0 || got["error observer_offline"] < 1000 {
					t.Errorf("got %v", got)
				}
				inOrder(t, rows)
			})
		})
	}
}

// A fault of ours is reported as long as it lasts, and not for minutes after the witnesses answer again.
func TestAFaultThatIsOverIsNotReported(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{dead: map[string]bool{}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		for id := range uint32(20) {
			b.watch(id+1, fmt.Sprintf("203.%d.113.1", id), 1, time.Second)
		}
		pass(30 * time.Second)
		if got := b.report().GetFaults(); len(got) != 0 {
			t.Errorf("before: %v", got)
		}
		w.set(func(w *world) { w.cut = true })
		pass(time.Minute)
		if got := b.report().GetFaults(); len(got) != 1 || got[0].GetErrorType() != string(nettest.ErrObserverOffline) {
			t.Errorf("during: %v", got)
		}
		w.set(func(w *world) { w.cut = false })
		pass(45 * time.Second)
		if got := b.report().GetFaults(); len(got) != 0 {
			t.Errorf("45 s after: %v", got)
		}
		b.stopAndRead(t)
	})
}

// A check that somebody asked for is judged like the others, before it is answered.
func TestChecksByHandAreWeighed(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		w := &world{dead: map[string]bool{"203.0.113.9": true}}
		b := startInWorld(t, Config{}, w, witnesses4...)
		s := &Service{engine: b.engine}
		ask := func(host string) (*checkv1.CheckResult, time.Duration) {
			began := time.Now()
			resp, err := s.RunCheck(t.Context(), &proberv1.RunCheckRequest{Spec: &checkv1.CheckSpec{
				MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{Host: ptr(host), TimeoutMs: ptr(int32(1000))},
			}})
			if err != nil {
				t.Fatal(err)
			}
			return resp.GetResult(), time.Since(began)
		}
		pass(5 * time.Second)
		if r, took := ask("203.0.113.9"); r.GetErrorType() != "connection_timeout" || took > 1500*time.Millisecond {
			t.Errorf("of a dead target: %s after %v", r.GetErrorType(), took)
		}
		w.set(func(w *world) { w.cut = true })
		if r, took := ask("203.0.113.1"); r.GetErrorType() != "observer_offline" || took > time.Second+holdFor {
			t.Errorf("without a network: %s after %v", r.GetErrorType(), took)
		}
		b.stopAndRead(t)
	})
}

// Whatever is cut off, dies, comes back and is stopped while results wait: every due slot has one row, the rows of a monitor
// are in order, and nothing waits in the end.
func TestHeldRowsKeepTheirPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hosts, monitors := rapid.IntRange(1, 12).Draw(rt, "hosts"), rapid.Uint32Range(1, 25).Draw(rt, "monitors")
		intervals := rapid.SliceOfN(rapid.Uint32Range(1, 8), 25, 25).Draw(rt, "intervals")
		timeouts := rapid.SliceOfN(rapid.IntRange(50, 4000), 25, 25).Draw(rt, "timeouts")
		witnesses := rapid.SampledFrom([][]string{nil, witnesses4, witnesses4[:2], witnesses4[:1]}).Draw(rt, "witnesses")
		steps := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 12).Draw(rt, "steps")
		lasts := rapid.SliceOfN(rapid.IntRange(0, 9000), 12, 12).Draw(rt, "lasts")
		bubbletest.Test(t, func(t *testing.T) {
			w := &world{dead: map[string]bool{}, refuse: map[string]bool{}}
			b := startInWorld(t, Config{StopGrace: 5 * time.Second}, w, witnesses...)
			for id := range monitors {
				b.watch(id+1, fmt.Sprintf("203.%d.113.1", int(id)%hosts), intervals[id], time.Duration(timeouts[id])*time.Millisecond)
			}
			for i, step := range steps {
				host := fmt.Sprintf("203.%d.113.1", i%hosts)
				w.set(func(w *world) {
					switch step {
					case 0:
						w.cut = !w.cut
					case 1:
						w.dead[host] = !w.dead[host]
					case 2:
						w.barred = !w.barred
					case 3:
						w.refuse[host] = !w.refuse[host]
					}
				})
				if step == 4 {
					b.remove(uint32(i) + 1)
				}
				pass(time.Duration(lasts[i]) * time.Millisecond)
			}
			rows := b.stopAndRead(t)
			due := b.metrics.due.Load()
			ran, missed := tally(rows)
			if int64(ran+missed) != due || b.observer.held.Load() != 0 {
				t.Errorf("%d ran + %d missed, due were %d; %d wait", ran, missed, due, b.observer.held.Load())
			}
			inOrder(t, rows)
		})
	})
}
