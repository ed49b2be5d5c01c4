package postgres

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// silence is how long a server may acknowledge nothing before its connection is given up. The kernel's own patience is a
// quarter of an hour, for which a machine that lost its power would hold whoever waits without a deadline.
const silence = 30 * time.Second

// dialImpatiently makes connections that notice a silent server.
func dialImpatiently(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			// Where it cannot be set, a connection is as good as it was.
			_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 6, Count: 3})
			setUserTimeout(tcp, silence)
		}
		return conn, nil
	}
}
