//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import (
	"hash/maphash"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// seats is the size of a portBook. Destinations that share a seat are counted
// together, which matters only to a loop of a million checks a second.
const seats = 4096

// timeWait is how long the kernel keeps the port of a connection that this side
// closed.
const timeWait = 60 * time.Second

var seatSeed = maphash.MakeSeed()

// seatOf returns the place of a destination in a portBook.
func seatOf(to netip.AddrPort) uint32 { return uint32(maphash.Comparable(seatSeed, to) % seats) }

// portBook counts local ports by destination: a connection needs one that no
// other connection to the same destination has, those in TIME_WAIT included.
// Beyond that number connect would search the whole range in vain each time.
type portBook struct {
	low, high uint16 // the range the kernel chooses from
	most      int32
	seats     [seats]portSeat
}

// portSeat counts one destination's ports.
type portSeat struct {
	open   int32
	recent int32 // closed in this period
	former int32 // closed in the one before
	period uint32
}

// Linux's defaults, for a machine without /proc.
const defaultLowPort, defaultHighPort = 32768, 60999

func (b *portBook) init() {
	b.low, b.high = defaultLowPort, defaultHighPort
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) == 2 {
			low, err1 := strconv.ParseUint(fields[0], 10, 16)
			high, err2 := strconv.ParseUint(fields[1], 10, 16)
			if err1 == nil && err2 == nil && low <= high {
				b.low, b.high = uint16(low), uint16(high)
			}
		}
	}
	b.most = int32(b.high) - int32(b.low) + 1
}

// isOwn reports whether the kernel may choose port for this side's end.
func (b *portBook) isOwn(port uint16) bool { return b.low <= port && port <= b.high }

// full reports whether every port is taken by an open connection.
func (b *portBook) full(seat uint32) bool { return b.seats[seat].open >= b.most }

func (b *portBook) opened(seat uint32) { b.seats[seat].open++ }

// closed counts an end. It returns true if closing in order would leave too many
// ports in TIME_WAIT. A dead connection leaves none.
func (b *portBook) closed(seat uint32, now int64, dead bool) (reset bool) {
	s := &b.seats[seat]
	s.open--
	if dead {
		return false
	}
	switch period := uint32(now / int64(timeWait)); period - s.period {
	case 0:
	case 1:
		s.former, s.recent, s.period = s.recent, 0, period
	default:
		s.former, s.recent, s.period = 0, 0, period
	}
	if s.former+s.recent >= b.most/2 {
		return true
	}
	s.recent++
	return false
}
