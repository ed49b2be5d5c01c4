package alerts

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is asked for, what is let through leads to an end: from every channel, in fewer steps than there are channels. What is
// refused would not have, or names no channel.
func TestFallbacksNeverCircle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		channels := make([]Channel, rapid.IntRange(1, 6).Draw(rt, "channels"))
		for i := range channels {
			channels[i].ID = uint32(i + 1)
		}
		ends := func() bool {
			for _, c := range channels {
				for steps := 0; c.FallbackID != 0; steps++ {
					if int(c.FallbackID) > len(channels) || steps == len(channels) {
						return false
					}
					c = channels[c.FallbackID-1]
				}
			}
			return true
		}
		for range rapid.IntRange(1, 20).Draw(rt, "changes") {
			i := rapid.IntRange(0, len(channels)-1).Draw(rt, "channel")
			before := channels[i].FallbackID
			changed := channels[i]
			changed.FallbackID = rapid.Uint32Range(0, uint32(len(channels)+1)).Draw(rt, "fallback")
			err := CheckFallback(changed, channels)
			channels[i] = changed
			if (err == nil) != ends() {
				rt.Fatalf("channel %d falls back to %d: %v, %+v", changed.ID, changed.FallbackID, err, channels)
			}
			if err != nil {
				channels[i].FallbackID = before
			}
		}
	})
}
