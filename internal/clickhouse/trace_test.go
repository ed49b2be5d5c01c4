package clickhouse_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/frogstats/uptime/internal/clickhouse"
	"github.com/frogstats/uptime/internal/clickhouse/clickhousetest"
)

func traced(t *testing.T, dsn string, sampler sdktrace.Sampler) (*clickhouse.DB, *tracetest.SpanRecorder, trace.Tracer) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler))
	return open(t, dsn, clickhouse.Options{TracerProvider: tp}), recorder, tp.Tracer("test")
}

// facts are a span's attributes as text.
func facts(s sdktrace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

// request is a context with a span, as that of a traced request.
func request(t *testing.T) context.Context {
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	t.Cleanup(func() { span.End() })
	return ctx
}

// A statement that belongs to nothing traced has no span.
func TestEveryStatementOfATraceIsASpan(t *testing.T) {
	db, recorder, _ := traced(t, clickhousetest.DSN(t), sdktrace.AlwaysSample())
	ctx, conn := request(t), db.Conn()
	execute(t, db, `CREATE TABLE x (n UInt64) ENGINE = MergeTree ORDER BY n`)

	batch, err := conn.PrepareBatch(ctx, `INSERT INTO x (n)`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := batch.Append(uint64(i)); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			if err := batch.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	if err := batch.Close(); err != nil {
		t.Error(err)
	}
	var n uint64
	if err := conn.QueryRow(ctx, `SELECT count() FROM x`).Scan(&n); err != nil || n != 10 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := conn.QueryRow(ctx, `SELECT n FROM x WHERE n = 99`).Scan(&n); err == nil {
		t.Error("a row that is not there")
	}
	if err := drain(ctx, conn, `SELECT n FROM x ORDER BY n`); err != nil {
		t.Error(err)
	}
	var all []struct {
		N uint64 `ch:"n"`
	}
	if err := conn.Select(ctx, &all, `SELECT n FROM x WHERE n < 5`); err != nil || len(all) != 5 {
		t.Errorf("%d rows, %v", len(all), err)
	}
	given, err := conn.PrepareBatch(ctx, `INSERT INTO x`)
	if err != nil {
		t.Fatal(err)
	}
	if err := given.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := conn.PrepareBatch(ctx, `INSERT INTO nothing (n)`); err == nil {
		t.Error("a batch for no table")
	}

	var names []string
	for _, s := range recorder.Ended() {
		names = append(names, s.Name())
		if s.SpanKind() != trace.SpanKindClient {
			t.Errorf("%s is of kind %s", s.Name(), s.SpanKind())
		}
	}
	want := []string{"INSERT x", "SELECT x", "SELECT x", "SELECT x", "SELECT x", "INSERT x", "INSERT nothing"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
	insert := facts(recorder.Ended()[0])
	delete(insert, "db.namespace")
	if diff := cmp.Diff(map[string]string{
		"db.system.name": "clickhouse", "db.operation.name": "INSERT", "db.collection.name": "x", "db.query.summary": "INSERT x",
		"db.query.text": "INSERT INTO x (n)", "clickhouse.inserted_rows": "10",
	}, insert); diff != "" {
		t.Error(diff)
	}
	for i, s := range recorder.Ended() {
		failed := i == len(names)-1
		if (s.Status().Code == codes.Error) != failed {
			t.Errorf("%s: status %v", s.Name(), s.Status())
		}
		if f := facts(s); failed && (f["db.response.status_code"] != "60" || f["error.type"] != "60" || len(s.Events()) != 1) {
			t.Errorf("%s: %v, %d events", s.Name(), f, len(s.Events()))
		}
	}
}

func TestServerContinuesTheTrace(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		t.Run(protocol, func(t *testing.T) {
			db, recorder, tracer := traced(t, dsn, sdktrace.AlwaysSample())
			ctx, request := tracer.Start(t.Context(), "request")
			if err := drain(ctx, db.Conn(), `SELECT 1`); err != nil {
				t.Fatal(err)
			}
			request.End()
			query := recorder.Ended()[len(recorder.Ended())-2]
			if query.Parent().SpanID() != request.SpanContext().SpanID() {
				t.Error("the statement is no child of the request")
			}
			execute(t, db, `SYSTEM FLUSH LOGS`)
			var n uint64
			err := db.Conn().QueryRow(t.Context(), `SELECT count() FROM system.opentelemetry_span_log
				WHERE trace_id = toUUID(?) AND parent_span_id = reinterpretAsUInt64(reverse(unhex(?)))`,
				request.SpanContext().TraceID().String(), query.SpanContext().SpanID().String()).Scan(&n)
			if err != nil || n == 0 {
				t.Errorf("%d spans of the server's under the statement, %v", n, err)
			}
		})
	}
}

func TestUnsampledTracesStayHere(t *testing.T) {
	native, http := clickhousetest.DSNs(t)
	for protocol, dsn := range map[string]string{"native": native, "http": http} {
		db, _, tracer := traced(t, dsn, sdktrace.NeverSample())
		ctx, request := tracer.Start(t.Context(), "request")
		if err := drain(ctx, db.Conn(), `SELECT 1`); err != nil {
			t.Fatal(err)
		}
		execute(t, db, `SYSTEM FLUSH LOGS`)
		var n uint64
		err := db.Conn().QueryRow(t.Context(), `SELECT count() FROM system.opentelemetry_span_log WHERE trace_id = toUUID(?)`,
			request.SpanContext().TraceID().String()).Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("%s: %d spans of the server's, %v, want none", protocol, n, err)
		}
	}
}

func TestMeasures(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	db := open(t, clickhousetest.DSN(t), clickhouse.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	execute(t, db, `CREATE TABLE x (n UInt64) ENGINE = MergeTree ORDER BY n`)
	for range 2 {
		batch, err := db.Conn().PrepareBatch(t.Context(), `INSERT INTO x (n)`)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := batch.Append(uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	if err := drain(t.Context(), db.Conn(), `SELECT n FROM nothing`); err == nil {
		t.Error("a table that is not there")
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				got[m.Name+" "+labels(p.Attributes)] = uint64(p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				got[m.Name+" "+labels(p.Attributes)] = p.Count
			}
		}
	}
	want := map[string]uint64{
		"frogup_clickhouse_inserted_rows x":            10,
		"frogup_clickhouse_duration  CREATE x":         1,
		"frogup_clickhouse_duration  INSERT x":         2,
		"frogup_clickhouse_duration 60 SELECT nothing": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// labels are the values of a set, in the order of their names.
func labels(set attribute.Set) string {
	var out []string
	for _, kv := range set.ToSlice() {
		out = append(out, kv.Value.String())
	}
	return strings.Join(out, " ")
}
