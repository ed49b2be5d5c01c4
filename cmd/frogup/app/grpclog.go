package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/resolver/dns"
)

// resolveEvery is how soon a name may be looked up again after a connection was lost. gRPC's own half a minute is long when
// a service has moved.
const resolveEvery = 5 * time.Second

// logGRPC sends what gRPC itself warns of to log: left alone, it writes plain lines between our JSON.
func logGRPC(log *slog.Logger) { grpcLog.Store(log) }

// grpcLog is nil until a role runs; what gRPC says before that, as in a command, is not for people.
var grpcLog atomic.Pointer[slog.Logger]

// What gRPC has for the whole process may only be changed before it is used.
func init() {
	dns.SetMinResolutionInterval(resolveEvery)
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, newLineLog(grpcLog.Load, slog.LevelWarn), newLineLog(grpcLog.Load, slog.LevelError)))
}

// lineLog makes one record of each write, and of what is said over and over one record a minute: a peer that is away is
// tried every few seconds.
type lineLog struct {
	log   func() *slog.Logger
	level slog.Level

	mu   sync.Mutex
	said map[string]time.Time
}

const (
	sayAgainAfter = time.Minute
	mostSaid      = 1000
)

func newLineLog(log func() *slog.Logger, level slog.Level) *lineLog {
	return &lineLog{log: log, level: level, said: map[string]time.Time{}}
}

// before is what a line of gRPC's begins with: when, how bad, and the number of a connection.
var before = regexp.MustCompile(`^[0-9/]+ [0-9:]+ [A-Z]+: (\[[^\]]*\] ?)*`)

func (l *lineLog) Write(p []byte) (int, error) {
	text := string(before.ReplaceAll(bytes.TrimSpace(p), nil))
	if log := l.log(); log != nil && l.isNew(text) {
		log.Log(context.Background(), l.level, "grpc", "text", text)
	}
	return len(p), nil
}

func (l *lineLog) isNew(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if at, ok := l.said[text]; ok && now.Sub(at) < sayAgainAfter {
		return false
	}
	if len(l.said) >= mostSaid {
		clear(l.said)
	}
	l.said[text] = now
	return true
}
