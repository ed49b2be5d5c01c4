package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/frogstats/uptime/internal/identity"
)

// CheckKeyCache fills the cache beyond its size and lets it age. It must run in a bubble.
func CheckKeyCache(t *testing.T) {
	var c keyCache
	for i := range 3 * keyCacheSize {
		c.put(fmt.Sprint(i), identity.Principal{KeyID: fmt.Sprint(i)})
		if len(c.held) > keyCacheSize {
			t.Fatalf("%d keys held", len(c.held))
		}
	}
	last := fmt.Sprint(3*keyCacheSize - 1)
	if p, ok := c.get(last); !ok || p.KeyID != last {
		t.Errorf("the newest key is gone")
	}
	time.Sleep(keyCacheTTL)
	if _, ok := c.get(last); ok {
		t.Errorf("a key is kept longer than %v", keyCacheTTL)
	}
}
