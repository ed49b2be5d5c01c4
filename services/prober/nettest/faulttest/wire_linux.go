package faulttest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Wire is a device with the address WireNear. What is sent to WireFar comes back
// as if WireFar had sent it to WireNear: a server on WireNear can be reached, over
// the wire, at WireFar. Packets that open a connection are late, in both
// directions, by a random time that the wire measures.
type Wire struct {
	tun     *os.File
	longest time.Duration
	work    sync.WaitGroup

	mu    sync.Mutex
	spent map[uint16]time.Duration // by the client's port
}

// The two ends of a wire.
const (
	WireNear = "10.98.0.1"
	WireFar  = "10.98.0.2"
)

// OpenWire makes the device. It changes the network of the whole process: call it
// only in a command that Isolate started.
func OpenWire(longest time.Duration) (*Wire, error) {
	const device = "wire0"
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request := newIfreq(device)
	binary.NativeEndian.PutUint16(request[syscall.IFNAMSIZ:], syscall.IFF_TUN|syscall.IFF_NO_PI)
	err = ioctl(fd, syscall.TUNSETIFF, unsafe.Pointer(request))
	if err == nil {
		err = withSocket(func(s int) error {
			if err := setAddress(s, syscall.SIOCSIFADDR, device, WireNear); err != nil {
				return err
			}
			return setAddress(s, syscall.SIOCSIFNETMASK, device, "255.255.255.0")
		})
	}
	if err == nil {
		err = deviceUp(device)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("make %s: %w", device, err)
	}
	w := &Wire{tun: os.NewFile(uintptr(fd), device), longest: longest, spent: map[uint16]time.Duration{}}
	w.work.Go(w.carry)
	return w, nil
}

// Spent is how late the wire was with the opening of the connection from a port.
func (w *Wire) Spent(port uint16) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spent[port]
}

// Close removes the device.
func (w *Wire) Close() error {
	err := w.tun.Close()
	w.work.Wait()
	return err
}

var _ io.Closer = (*Wire)(nil)

func (w *Wire) carry() {
	for {
		packet := make([]byte, 2048)
		n, err := w.tun.Read(packet)
		if err != nil {
			return
		}
		heard := time.Now()
		packet = packet[:n]
		const ipv4Header, tcpHeader = 20, 20
		if n < ipv4Header+tcpHeader || packet[0] != 0x45 || packet[9] != syscall.IPPROTO_TCP {
			continue
		}
		// Swapping the addresses changes no checksum.
		var from [4]byte
		copy(from[:], packet[12:16])
		copy(packet[12:16], packet[16:20])
		copy(packet[16:20], from[:])
		tcp := packet[ipv4Header:]
		const syn, ack = 0x02, 0x10
		if tcp[13]&syn == 0 {
			_, _ = w.tun.Write(packet)
			continue
		}
		client := binary.BigEndian.Uint16(tcp)
		if tcp[13]&ack != 0 {
			client = binary.BigEndian.Uint16(tcp[2:])
		}
		w.work.Go(func() {
			if w.longest > 0 {
				<-time.After(rand.N(w.longest))
			}
			w.mu.Lock()
			w.spent[client] += time.Since(heard)
			w.mu.Unlock()
			_, _ = w.tun.Write(packet)
		})
	}
}
