package alerts

import (
	"context"
	"log/slog"
	"time"
)

const (
	noticeIdle  = 15 * time.Second // look at least so often: a replica that died may have left something to tell
	noticeBatch = 100
	keepNotices = 90 * 24 * time.Hour // after their end
)

// noticeKeeper keeps the notices, and writes what is to be told of them to the outbox when it is due. What is due stands in
// the store, so that nothing depends on the process that took it.
type noticeKeeper struct {
	store   NoticeStore
	log     *slog.Logger
	quiet   time.Duration
	wake    chan struct{}
	written func() // called when there are messages to send
}

func newNoticeKeeper(store NoticeStore, log *slog.Logger, quiet time.Duration, written func()) *noticeKeeper {
	if quiet <= 0 {
		quiet = DefaultNoticeQuiet
	}
	return &noticeKeeper{store: store, log: log, quiet: quiet, wake: make(chan struct{}, 1), written: written}
}

// raise keeps n until it is cleared. What is open already and has nothing new to say costs one read.
func (k *noticeKeeper) raise(ctx context.Context, n Notice) error {
	return k.change(ctx, n.Key, func(st NoticeState, at time.Time) NoticeChange {
		next := n
		if next.StartedAt.IsZero() || next.StartedAt.After(at) {
			next.StartedAt = at
		}
		return st.raise(next, at)
	})
}

// end ends the notice of the key, if there is one.
func (k *noticeKeeper) end(ctx context.Context, key string, ended time.Time) error {
	return k.change(ctx, key, func(st NoticeState, at time.Time) NoticeChange {
		if ended.IsZero() || ended.After(at) {
			return st.end(at, at, k.quiet)
		}
		return st.end(ended, at, k.quiet)
	})
}

// change looks first whether there is anything to do, because producers repeat themselves and changes take turns with
// evaluation.
func (k *noticeKeeper) change(ctx context.Context, key string, step func(NoticeState, time.Time) NoticeChange) error {
	current, err := k.store.Notice(ctx, key)
	if err != nil {
		return err
	}
	at := now()
	if c := step(NoticeState{Current: current}, at); len(c.Notices) == 0 {
		return nil
	}
	told := false
	err = k.store.ChangeNotice(ctx, key, at, func(st NoticeState) NoticeChange {
		c := step(st, at)
		told = len(c.Messages) > 0
		return c
	})
	if err != nil {
		return err
	}
	if told {
		k.written()
	}
	poke(k.wake)
	return nil
}

// run tells what is due until ctx ends.
func (k *noticeKeeper) run(ctx context.Context) {
	for {
		pause := k.tell(ctx)
		t := time.NewTimer(pause)
		select {
		case <-k.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// tell writes what is due and says when to look again.
func (k *noticeKeeper) tell(ctx context.Context) time.Duration {
	for {
		at := now()
		keys, next, err := k.store.DueNotices(ctx, at, noticeBatch)
		for _, key := range keys {
			if err != nil {
				break
			}
			told := false
			err = k.store.ChangeNotice(ctx, key, at, func(st NoticeState) NoticeChange {
				c := st.tell(at)
				told = len(c.Messages) > 0
				return c
			})
			if err == nil && told {
				k.written()
			}
		}
		switch {
		case err != nil:
			if ctx.Err() == nil {
				k.log.ErrorContext(ctx, "notices cannot be told", "error", err.Error())
			}
			return brokePause
		case len(keys) > 0: // there may be more
		case next.IsZero():
			return noticeIdle
		default:
			return min(max(next.Sub(at), leastPause), noticeIdle)
		}
	}
}

// prune forgets what ended long ago.
func (k *noticeKeeper) prune(ctx context.Context) error {
	for {
		n, err := k.store.PruneNotices(ctx, now().Add(-keepNotices), pruneChunk)
		if err != nil || n < pruneChunk {
			return err
		}
	}
}
