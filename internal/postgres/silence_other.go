//go:build !linux

package postgres

import (
	"net"
	"time"
)

func setUserTimeout(*net.TCPConn, time.Duration) {}
