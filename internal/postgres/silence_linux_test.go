package postgres_test

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/frogstats/uptime/internal/postgres/postgrestest"
)

func TestConnectionsNoticeASilentServer(t *testing.T) {
	conn, err := postgrestest.Open(t, "x").Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tcp, ok := conn.Conn().PgConn().Conn().(*net.TCPConn)
	if !ok {
		t.Skip("the server is not reached by TCP")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var unacknowledged, idle int
	var err1, err2 error
	if err := raw.Control(func(fd uintptr) {
		unacknowledged, err1 = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		idle, err2 = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
	}); errors.Join(err, err1, err2) != nil {
		t.Fatal(errors.Join(err, err1, err2))
	}
	if unacknowledged != 30000 || idle != 15 {
		t.Errorf("given up after %d ms without acknowledgement, probed after %d s idle; want 30000 and 15", unacknowledged, idle)
	}
}
