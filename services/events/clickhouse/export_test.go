package clickhouse

import (
	"io/fs"
	"time"
)

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
	out := []string{o.distributed(), o.running(), o.kill(), o.drop(202603)}
	for _, change := range o.changes("") {
		out = append(out, o.alter(change))
	}
	return out
}
