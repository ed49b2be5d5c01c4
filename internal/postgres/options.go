package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric"
)

// The settings used where neither Options nor the DSN says anything.
const (
	DefaultMaxConns         = 16
	DefaultStatementTimeout = 10 * time.Second
	DefaultLockTimeout      = 5 * time.Second
	DefaultIdleInTx         = 30 * time.Second
	DefaultConnectTimeout   = 5 * time.Second
)

// Options adjust Open.
type Options struct {
	// Schema holds everything that is made and found through the handle; it is created if need be. A service has one of its
	// own, so that several can share a database. Required.
	Schema string
	// Service names the process to whoever looks at pg_stat_activity; default the schema.
	Service          string
	MaxConns         int32         // default DefaultMaxConns
	StatementTimeout time.Duration // default DefaultStatementTimeout
	LockTimeout      time.Duration // default DefaultLockTimeout

	MeterProvider metric.MeterProvider // of what the pool does; nil means the global one
}

func configure(dsn string, opts Options) (*pgxpool.Config, error) {
	if opts.Schema == "" {
		return nil, errors.New("a schema is required")
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, dsnFault(err)
	}
	given, err := pgx.ParseConfig(dsn) // with the pool's settings still among the parameters
	if err != nil {
		return nil, dsnFault(err)
	}
	if err := misread(dsn, given); err != nil {
		return nil, err
	}
	setParameters(cfg.ConnConfig.RuntimeParams, opts)
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = DefaultConnectTimeout
	}
	if _, ok := given.RuntimeParams["pool_max_conns"]; !ok {
		if cfg.MaxConns = opts.MaxConns; cfg.MaxConns <= 0 {
			cfg.MaxConns = DefaultMaxConns
		}
	}
	if _, ok := given.RuntimeParams["pool_ping_timeout"]; !ok {
		cfg.PingTimeout = DefaultConnectTimeout
	}
	if cfg.ConnConfig.ValidateConnect == nil {
		// Of several hosts, or after one became a replica: the one that can be written to.
		cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	cfg.ConnConfig.DialFunc = dialImpatiently(cfg.ConnConfig.DialFunc)
	cfg.AfterConnect = scanTimesInUTC
	cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes())
	return cfg, nil
}

// setParameters sets what every session starts with, except where the DSN has said it.
func setParameters(params map[string]string, opts Options) {
	preset := func(name, value string) {
		// The server would let a parameter win over the same one in "options=-c name=value".
		if _, ok := params[name]; !ok && !strings.Contains(params["options"], name) {
			params[name] = value
		}
	}
	if opts.Service == "" {
		opts.Service = opts.Schema
	}
	preset("application_name", "frogup "+opts.Service)
	preset("statement_timeout", millis(opts.StatementTimeout, DefaultStatementTimeout))
	preset("lock_timeout", millis(opts.LockTimeout, DefaultLockTimeout))
	preset("idle_in_transaction_session_timeout", millis(0, DefaultIdleInTx))
	// What the rooms above rely on is not for the DSN to say.
	params["search_path"] = pgx.Identifier{opts.Schema}.Sanitize()
	params["timezone"] = "UTC"
}

func millis(d, preset time.Duration) string {
	if d <= 0 {
		d = preset
	}
	return strconv.FormatInt(max(1, d.Milliseconds()), 10) // 0 would be no limit
}

func scanTimesInUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

var errNotEncoded = errors.New("DSN: characters such as @ : / ? # % in user and password of a URL must be percent-encoded")

// misread reports a URL of which a part of the password was taken for something else, such as the name of the database; the
// server's answer would quote it.
func misread(dsn string, cfg *pgx.ConnConfig) error {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return nil
	}
	bad := strings.Contains(cfg.Database, "@")
	for name := range cfg.RuntimeParams {
		bad = bad || strings.ContainsAny(name, "@:/")
	}
	if bad {
		return errNotEncoded
	}
	return nil
}

// connectFault is misread for what only the server notices: it quotes the name of a setting that it does not know.
func connectFault(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) && code(err) == undefinedObject {
		return errors.New("DSN: the server does not know a setting in it")
	}
	return err
}

// dsnFault says what is wrong with a DSN without quoting any of it: where the password begins and ends is not certain in what
// could not be parsed, and pgx's own words quote.
func dsnFault(err error) error {
	text := err.Error()
	if strings.Contains(text, "`: failed to parse as URL") {
		return errNotEncoded
	}
	for _, known := range [...]struct{ words, say string }{
		{"failed to parse as keyword/value", "neither a postgres:// URL nor a list of key=value; values with spaces need quotes"},
		{"invalid port", "invalid port"},
		{"could not match", "as many ports as hosts are needed, or one"},
		{"unknown target_session_attrs", "invalid target_session_attrs"},
		{"unknown channel_binding", "invalid channel_binding"},
		{"invalid connect_timeout", "invalid connect_timeout"},
		{"invalid default_query_exec_mode", "invalid default_query_exec_mode"},
		{"failed to read service", "the service file cannot be read, or does not name the service"},
		{"failed to configure TLS", "invalid TLS settings (sslmode, sslrootcert, sslcert, sslkey, sslpassword)"},
		{"cannot parse pool_", "invalid pool setting"}, {"pool_max_conns too small", "pool_max_conns must be positive"},
	} {
		if !strings.Contains(text, "`: "+known.words) {
			continue
		}
		var file *fs.PathError // of a certificate, say
		if errors.As(err, &file) {
			return fmt.Errorf("DSN: %s: %w", known.say, file)
		}
		return errors.New("DSN: " + known.say)
	}
	return errors.New("DSN: cannot be parsed")
}
