package postgres_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/frogstats/uptime/internal/postgres"
)

// oldServer lets anybody in and answers whatever is asked with the row, by the simple protocol.
func oldServer(t *testing.T, row ...string) (dsn string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveRow(conn, row)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "postgres://frogup@" + l.Addr().String() + "/frogup?sslmode=disable&default_query_exec_mode=simple_protocol&pool_max_conns=1"
}

func serveRow(conn net.Conn, row []string) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	b.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	for {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() != nil {
			return
		}
		m, err := b.Receive()
		if err != nil {
			return
		}
		q, ok := m.(*pgproto3.Query)
		if !ok {
			return
		}
		answer := row
		if strings.Contains(q.String, "transaction_read_only") {
			answer = []string{"off"}
		}
		fields, values := []pgproto3.FieldDescription{}, [][]byte{}
		for _, v := range answer {
			oid := uint32(pgtype.TextOID)
			if strings.Trim(v, "0123456789") == "" {
				oid = pgtype.Int4OID
			}
			fields = append(fields, pgproto3.FieldDescription{Name: []byte("x"), DataTypeOID: oid, DataTypeSize: -1, TypeModifier: -1})
			values = append(values, []byte(v))
		}
		b.Send(&pgproto3.RowDescription{Fields: fields})
		b.Send(&pgproto3.DataRow{Values: values})
		b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	}
}

func TestOlderServersAreRefused(t *testing.T) {
	_, err := postgres.Open(t.Context(), oldServer(t, "14", "14.9 (Debian 14.9-1)"), postgres.Options{Schema: "x"})
	const want = "open postgres: the server is PostgreSQL 14.9 (Debian 14.9-1); 15 or later is needed"
	if err == nil || err.Error() != want || postgres.IsOutage(err) {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := postgres.Open(t.Context(), oldServer(t, "15", "15.0"), postgres.Options{Schema: "x"}); err == nil || strings.Contains(err.Error(), "is needed") {
		t.Errorf("15: %v, want a word about what comes after the version", err)
	}
	if postgres.IsOutage(nil) || postgres.IsOutage(errors.New("x")) {
		t.Error("an outage of nothing")
	}
}
