//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
)

// address is where a listener is, or will be.
type address struct {
	host string
	port int
}

func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// dial is the address by which the listener is reached from this machine: all addresses cannot be dialled, one can.
func (a address) dial() address {
	if ip, err := netip.ParseAddr(a.host); err == nil && ip.IsUnspecified() {
		if ip.Is4() {
			return address{"127.0.0.1", a.port}
		}
		return address{"::1", a.port}
	}
	return a
}

// try says why one could not listen there.
func (a address) try() error {
	l, err := net.Listen("tcp", a.String())
	if err != nil {
		return err // it names the address
	}
	return l.Close()
}

// Ports are chosen from here. The kernel gives those above to outgoing connections, which could be in the way of a server
// that is started again on its port.
const (
	minPort = 16384
	maxPort = 32767
)

// choosePorts resolves port 0 to a free one.
func choosePorts(host string, tcpPort, httpPort int) (tcp, http address, err error) {
	if _, err := netip.ParseAddr(host); err != nil {
		return tcp, http, fmt.Errorf("listen: %w", err)
	}
	if tcpPort != 0 && tcpPort == httpPort {
		return tcp, http, fmt.Errorf("port %d cannot serve both protocols", tcpPort)
	}
	tcp, http = address{host, tcpPort}, address{host, httpPort}
	for _, a := range []*address{&tcp, &http} {
		if a.port != 0 {
			if err := a.try(); err != nil {
				return tcp, http, err
			}
			continue
		}
		for try := 0; a.port == 0; try++ {
			c := address{host, minPort + rand.N(maxPort-minPort+1)}
			if c != tcp && c != http && c.try() == nil {
				*a = c
			} else if try == 1000 {
				return tcp, http, fmt.Errorf("no free port of %s between %d and %d", host, minPort, maxPort)
			}
		}
	}
	return tcp, http, nil
}
