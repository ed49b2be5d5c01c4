package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const scope = "github.com/frogstats/uptime/internal/clickhouse"

// conn makes each statement a client span, which the server continues in system.opentelemetry_span_log, and measures it.
// The attributes are OpenTelemetry's for databases.
type conn struct {
	driver.Conn
	tracer   trace.Tracer
	common   []attribute.KeyValue
	duration metric.Float64Histogram
	rows     metric.Int64Counter
}

func instrument(c driver.Conn, database string, tp trace.TracerProvider, mp metric.MeterProvider) (*conn, error) {
	if tp == nil {
		tp = otel.GetTracerProvider()
	}
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	meter := mp.Meter(scope)
	duration, err := meter.Float64Histogram("frogup_clickhouse_duration", metric.WithUnit("s"),
		metric.WithDescription("Time that statements took, by operation, table and error; of a batch the time on the connection."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	if err != nil {
		return nil, err
	}
	rows, err := meter.Int64Counter("frogup_clickhouse_inserted_rows", metric.WithDescription("Rows inserted in batches, by table."))
	if err != nil {
		return nil, err
	}
	return &conn{
		Conn: c, tracer: tp.Tracer(scope), duration: duration, rows: rows,
		common: []attribute.KeyValue{attribute.String("db.system.name", "clickhouse"), attribute.String("db.namespace", database)},
	}, nil
}

// call is one statement under way.
type call struct {
	conn  *conn
	ctx   context.Context
	span  trace.Span
	what  statement
	began time.Time
	done  bool
}

// start begins a statement. The context it returns carries the span, to the server too.
func (c *conn) start(ctx context.Context, query string) (context.Context, *call) {
	k := &call{conn: c, what: describe(query), began: time.Now(), ctx: ctx, span: noop.Span{}}
	if !trace.SpanFromContext(ctx).IsRecording() { // on its own a statement says nothing worth a trace
		return ctx, k
	}
	attrs := append(make([]attribute.KeyValue, 0, len(c.common)+4), c.common...)
	attrs = append(attrs, attribute.String("db.operation.name", k.what.operation), attribute.String("db.query.summary", k.what.summary()),
		attribute.String("db.query.text", query))
	if k.what.collection != "" {
		attrs = append(attrs, attribute.String("db.collection.name", k.what.collection))
	}
	ctx, k.span = c.tracer.Start(ctx, k.what.summary(), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	if sc := k.span.SpanContext(); sc.IsSampled() {
		ctx = clickhouse.Context(ctx, clickhouse.WithSpan(sc))
	}
	k.ctx = ctx
	return ctx, k
}

// end is end with the time since the start.
func (k *call) end(err error) { k.endAfter(time.Since(k.began), err) }

// endAfter ends the statement; the first end counts. No row is no error.
func (k *call) endAfter(took time.Duration, err error) {
	if k.done {
		return
	}
	k.done = true
	attrs := []attribute.KeyValue{
		attribute.String("operation", k.what.operation), attribute.String("table", k.what.collection), attribute.String("error", ""),
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		kind := errorType(err)
		attrs[len(attrs)-1] = attribute.String("error", kind)
		k.span.SetAttributes(attribute.String("error.type", kind))
		if code := Code(err); code != 0 {
			k.span.SetAttributes(attribute.String("db.response.status_code", strconv.Itoa(int(code))))
		}
		k.span.RecordError(err)
		k.span.SetStatus(codes.Error, err.Error())
	}
	k.span.End()
	k.conn.duration.Record(k.ctx, took.Seconds(), metric.WithAttributes(attrs...))
}

// errorType is the server's code, or one of few words.
func errorType(err error) string {
	switch code := Code(err); {
	case code != 0:
		return strconv.Itoa(int(code))
	case errors.Is(err, context.Canceled):
		return "canceled"
	case IsUnavailable(err):
		return "unavailable"
	case IsTimeout(err):
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

func (c *conn) Exec(ctx context.Context, query string, args ...any) error {
	ctx, k := c.start(ctx, query)
	err := because(ctx, c.Conn.Exec(ctx, query, args...))
	k.end(err)
	return err
}

func (c *conn) AsyncInsert(ctx context.Context, query string, wait bool, args ...any) error {
	ctx, k := c.start(ctx, query)
	err := because(ctx, c.Conn.AsyncInsert(ctx, query, wait, args...)) //nolint:staticcheck // whoever calls it is told by the interface
	k.end(err)
	return err
}

func (c *conn) Select(ctx context.Context, dest any, query string, args ...any) error {
	ctx, k := c.start(ctx, query)
	err := because(ctx, c.Conn.Select(ctx, dest, query, args...))
	k.end(err)
	return err
}

func (c *conn) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	ctx, k := c.start(ctx, query)
	r, err := c.Conn.Query(ctx, query, args...)
	if err != nil {
		err = because(ctx, err)
		k.end(err)
		return nil, err
	}
	return &rows{Rows: r, call: k}, nil
}

// rows end their statement when they have been read or are closed.
type rows struct {
	driver.Rows
	call *call
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.call.end(r.Err())
	return false
}

func (r *rows) Err() error { return because(r.call.ctx, r.Rows.Err()) }

func (r *rows) Close() error {
	err := because(r.call.ctx, r.Rows.Close())
	r.call.end(err)
	return err
}

func (c *conn) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	ctx, k := c.start(ctx, query)
	r := c.Conn.QueryRow(ctx, query, args...)
	if err := r.Err(); err != nil {
		k.end(because(ctx, err))
	}
	return &row{Row: r, call: k}
}

// row ends its statement when it is scanned, which it must be anyway.
type row struct {
	driver.Row
	call *call
}

func (r *row) Err() error { return because(r.call.ctx, r.Row.Err()) }

func (r *row) Scan(dest ...any) error {
	err := because(r.call.ctx, r.Row.Scan(dest...))
	r.call.end(err)
	return err
}

func (r *row) ScanStruct(dest any) error {
	err := because(r.call.ctx, r.Row.ScanStruct(dest))
	r.call.end(err)
	return err
}

func (c *conn) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	ctx, k := c.start(ctx, query)
	b, err := c.Conn.PrepareBatch(ctx, query, opts...)
	if err != nil {
		err = because(ctx, err)
		k.end(err)
		return nil, err
	}
	return &batch{Batch: b, call: k, busy: time.Since(k.began)}, nil
}

// batch ends its statement when it is sent or given up.
type batch struct {
	driver.Batch
	call *call
	busy time.Duration // time on the connection, without the time in which rows are appended
	rows int           // sent before the last block
}

func (b *batch) Flush() error {
	began, n := time.Now(), b.Rows()
	err := because(b.call.ctx, b.Batch.Flush())
	b.busy += time.Since(began)
	if b.Rows() == 0 { // over HTTP, Flush keeps the rows for Send
		b.rows += n
	}
	return err
}

func (b *batch) Send() error {
	began, n := time.Now(), b.rows+b.Rows()
	b.call.span.SetAttributes(attribute.Int("clickhouse.inserted_rows", n))
	b.call.span.AddEvent("send")
	err := because(b.call.ctx, b.Batch.Send())
	if err == nil && !b.call.done {
		b.call.conn.rows.Add(b.call.ctx, int64(n), metric.WithAttributes(attribute.String("table", b.call.what.collection)))
	}
	b.call.endAfter(b.busy+time.Since(began), err)
	return err
}

func (b *batch) Abort() error {
	err := b.Batch.Abort()
	b.call.endAfter(b.busy, nil)
	return err
}

func (b *batch) Close() error {
	err := b.Batch.Close()
	b.call.endAfter(b.busy, err)
	return err
}
