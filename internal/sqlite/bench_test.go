package sqlite_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/frogstats/uptime/internal/sqlite/sqlitetest"
)

func BenchmarkWrite(b *testing.B) {
	for _, rows := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			db := sqlitetest.OpenMigrated(b, schema)
			n := 0
			for b.Loop() {
				err := db.Write(b.Context(), func(tx *sql.Tx) error {
					insert, err := tx.PrepareContext(b.Context(), insertThing)
					if err != nil {
						return err
					}
					defer insert.Close()
					for range rows {
						n++
						if _, err := insert.ExecContext(b.Context(), n, fmt.Sprint("thing ", n), nil); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkPointRead(b *testing.B) {
	db := sqlitetest.OpenMigrated(b, schema)
	if err := db.Write(b.Context(), func(tx *sql.Tx) error {
		for i := range 10_000 {
			if _, err := tx.ExecContext(b.Context(), insertThing, i, fmt.Sprint("thing ", i), nil); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	read, err := db.Read().PrepareContext(b.Context(), `SELECT name FROM thing WHERE id = ?`)
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	i := 0
	for b.Loop() {
		i = (i + 7919) % 10_000
		var name string
		if err := read.QueryRowContext(b.Context(), i).Scan(&name); err != nil {
			b.Fatal(err)
		}
	}
}
