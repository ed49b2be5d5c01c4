package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"

	"google.golang.org/grpc/grpclog"
)

// logGRPC sends what gRPC itself warns of to log: left alone, it writes plain lines between our JSON.
func logGRPC(log *slog.Logger) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, lineLog{log, slog.LevelWarn}, lineLog{log, slog.LevelError}))
}

// lineLog makes one record of each write.
type lineLog struct {
	log   *slog.Logger
	level slog.Level
}

func (l lineLog) Write(p []byte) (int, error) {
	l.log.Log(context.Background(), l.level, "grpc", "text", string(bytes.TrimSpace(p)))
	return len(p), nil
}
