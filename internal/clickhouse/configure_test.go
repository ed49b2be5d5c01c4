package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestTheDSNWins(t *testing.T) {
	opts := Options{MaxConns: 7, DialTimeout: 3 * time.Second, QueryTimeout: 20 * time.Second}
	tests := map[string]struct {
		dsn  string
		opts Options
		want string // database, method, dial, read, connections, idle ones
	}{
		"nothing said": {"clickhouse://h:9000", Options{}, "default lz4 5s 35s 16 16"},
		"options":      {"clickhouse://h:9000/db", opts, "db lz4 3s 25s 7 7"},
		"DSN": {
			"http://h:8123/db?compress=none&dial_timeout=1s&read_timeout=2s&max_open_conns=3&max_idle_conns=2", opts, "db none 1s 2s 3 2",
		},
	}
	for name, tt := range tests {
		cfg, err := configure(tt.dsn, tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(cfg.Auth.Database, " ", cfg.Compression.Method, " ", cfg.DialTimeout, " ", cfg.ReadTimeout, " ",
			cfg.MaxOpenConns, " ", cfg.MaxIdleConns)
		if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestWithoutPassword(t *testing.T) {
	inner := fmt.Errorf("user:secret@host: %w: %w", context.Canceled, &clickhouse.Exception{Code: 516})
	err := fmt.Errorf("open: %w", withoutPassword(inner, "secret"))
	text := fmt.Sprintf("%v %+v %s", err, err, errors.Unwrap(err))
	if strings.Contains(text, "secret") || !strings.Contains(text, "user:***@host") {
		t.Error(text)
	}
	if !errors.Is(err, context.Canceled) || Code(err) != 516 {
		t.Errorf("%v is no longer known", err)
	}
	if withoutPassword(inner, "") != inner || withoutPassword(nil, "secret") != nil { //nolint:errorlint // the very value is looked for
		t.Error("changed for nothing")
	}
}
