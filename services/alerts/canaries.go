package alerts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	canaryEvery   = 30 * time.Second // how often it is looked for what is due
	canaryBatch   = 16               // channels that are tried at once
	canaryRetries = 3                // failures that make an outcome; a refusal does at once
	canaryLease   = 2 * time.Minute  // more than the attempts and the pauses between them take
	// canarySoon is how soon a channel that has failed is tried again, if it would not be sooner.
	canarySoon = time.Hour
)

// Canary is a test message that was sent by the schedule, to see whether a channel still takes messages.
type Canary struct {
	At    time.Time // zero if there was none yet
	OK    bool
	Error string // "" when nothing went wrong
}

// CanaryClaim is a channel that one replica may try until then.
type CanaryClaim struct {
	Channel Channel
	Until   time.Time
}

// canaryKeeper sends canaries when they are due, and keeps a notice for each channel that did not take its last one. The notices
// follow from what stands with the channels, so that it does not matter which replica sent, or died after that.
type canaryKeeper struct {
	store   Store
	notices *noticeKeeper
	log     *slog.Logger
	send    func(ctx context.Context, c Claim, at time.Time) Result
}

func (k *canaryKeeper) run(ctx context.Context) {
	for {
		if err := errors.Join(k.look(ctx), k.tell(ctx)); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "canaries of channels were not kept", "error", err.Error())
		}
		if !wait(ctx, canaryEvery) {
			return
		}
	}
}

// look tries the channels that are due.
func (k *canaryKeeper) look(ctx context.Context) error {
	for {
		claims, err := k.store.ClaimCanaries(ctx, now(), canaryLease, canaryBatch)
		if err != nil || len(claims) == 0 {
			return err
		}
		var g errgroup.Group
		for _, c := range claims {
			g.Go(func() error { return k.try(ctx, c) })
		}
		if err := g.Wait(); err != nil || len(claims) < canaryBatch {
			return err
		}
	}
}

// try sends the canary of a channel and records how that went. What the end of the service cuts off is tried again later.
func (k *canaryKeeper) try(ctx context.Context, c CanaryClaim) error {
	ch := c.Channel
	id, err := testMessageID()
	if err != nil {
		return fmt.Errorf("canary of channel %d: %w", ch.ID, err)
	}
	last := Canary{At: now()}
	for n := range canaryRetries {
		r := k.attempt(ctx, ch, id)
		if ctx.Err() != nil {
			return nil
		}
		if last.OK, last.Error = r.OK, r.Error; r.OK || r.Refused || n == canaryRetries-1 {
			break
		}
		if !wait(ctx, pauses[n]) {
			return nil
		}
	}
	pause := ch.CanaryEvery
	if last.OK {
		last.Error = ""
	} else {
		pause = min(pause, canarySoon)
		k.log.WarnContext(ctx, "channel did not take its canary", "channel_id", ch.ID, "message_id", id, "error", last.Error)
	}
	err = k.store.SettleCanary(ctx, c, last, now().Add(pause))
	if errors.Is(err, ErrLeaseLost) { // it was changed meanwhile, and is tried as it is now
		return nil
	}
	return err
}

func (k *canaryKeeper) attempt(ctx context.Context, ch Channel, id string) Result {
	at := now()
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	return k.send(ctx, Claim{
		Delivery: Delivery{Message: Message{
			ID: id, OrganizationID: ch.OrganizationID, Target: ch.target(), Type: TypeTest, OccurredAt: at,
			Content: Content{OrganizationID: ch.OrganizationID, Test: true, Scheduled: true},
		}},
		Via: ch.Type, Config: ch.Config,
	}, at)
}

// The key of the notice about a channel has its number between these.
const (
	canaryKeyPrefix = "channel/"
	canaryKeySuffix = "/canary"
	maxOpenNotices  = 10_000
)

// tell raises notices of channels that fail and ends those of channels that do not, or are no longer tried. Notices are the
// installation's, and everybody's who operates it: they name a channel by its number and say nothing that its receiver said.
func (k *canaryKeeper) tell(ctx context.Context) error {
	failing, err := k.store.FailingCanaries(ctx)
	if err != nil {
		return err
	}
	fails := map[string]bool{}
	for _, ch := range failing {
		n := Notice{
			Key: canaryKeyPrefix + number(ch.ID) + canaryKeySuffix, Kind: NoticeChannelFailing, Subject: number(ch.ID), StartedAt: ch.Canary.At,
			Message: fmt.Sprintf("Channel %d did not take its scheduled test message. What it is told meanwhile is tried for 24 hours; last_canary_error of the channel says what went wrong.", ch.ID),
		}
		fails[n.Key] = true
		if err := k.notices.raise(ctx, n); err != nil {
			return fmt.Errorf("raise notice %s: %w", n.Key, err)
		}
	}
	open := true
	all, err := k.store.Notices(ctx, NoticeFilter{Open: &open, Limit: maxOpenNotices})
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Kind != NoticeChannelFailing || fails[n.Key] || !strings.HasPrefix(n.Key, canaryKeyPrefix) {
			continue
		}
		if err := k.notices.end(ctx, n.Key, time.Time{}); err != nil {
			return fmt.Errorf("end notice %s: %w", n.Key, err)
		}
	}
	return nil
}
