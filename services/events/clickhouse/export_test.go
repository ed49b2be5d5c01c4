package clickhouse

import (
	"context"
	"io/fs"
	"time"

	"github.com/frogstats/uptime/services/events"
)

// LoseAcknowledgement inserts results and goes on as if the server's answer had not come.
func (s *Results) LoseAcknowledgement(ctx context.Context, results []events.Result) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	list := make([]*events.Result, 0, len(results))
	for i := range results {
		list = append(list, &results[i])
	}
	b, _ := s.cut(list)
	err := s.send(ctx, b)
	s.writer.open = b
	return err
}

// Migrations are the schema's files.
func Migrations() fs.FS {
	fsys, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err)
	}
	return fsys
}

// ClusterStatements are what is said to a cluster beside the migrations.
func ClusterStatements(name string) []string {
	o := Options{Cluster: name, Retention: 24 * time.Hour, LowMemory: true}
	out := []string{o.distributed(), o.widened(), o.running(), o.kill(), o.drop(202603)}
	for _, change := range o.changes("") {
		out = append(out, o.alter(change))
	}
	return out
}
