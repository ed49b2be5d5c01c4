package faulttest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// Isolate makes cmd run in a network namespace of its own, which has nothing but
// a loopback device that is down. Without root it needs user namespaces, in
// which the command is root; if neither is allowed, starting it fails.
func Isolate(cmd *exec.Cmd) {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
}

// The functions below change the network of the whole process: call them only
// in a command that Isolate started.

// LoopbackUp switches the loopback device on.
func LoopbackUp() error { return deviceUp("lo") }

// OpenBlackHole makes a device with the address 10.99.0.1/24 and the default
// IPv4 route through it. What is sent there is never answered. Closing it
// removes device and route.
func OpenBlackHole() (io.Closer, error) {
	const device = "hole0"
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	tun := socket(fd)
	request := newIfreq(device)
	binary.NativeEndian.PutUint16(request[syscall.IFNAMSIZ:], syscall.IFF_TUN|syscall.IFF_NO_PI)
	if err := ioctl(fd, syscall.TUNSETIFF, unsafe.Pointer(request)); err != nil {
		_ = tun.Close()
		return nil, fmt.Errorf("make %s: %w", device, err)
	}
	err = withSocket(func(s int) error {
		if err := setAddress(s, syscall.SIOCSIFADDR, device, "10.99.0.1"); err != nil {
			return err
		}
		return setAddress(s, syscall.SIOCSIFNETMASK, device, "255.255.255.0")
	})
	if err == nil {
		err = deviceUp(device)
	}
	if err == nil {
		err = addRoute("0.0.0.0/0", "10.99.0.2", syscall.RTF_UP|syscall.RTF_GATEWAY)
	}
	if err != nil {
		_ = tun.Close()
		return nil, fmt.Errorf("set up %s: %w", device, err)
	}
	return tun, nil
}

// Own makes the addresses of an IPv4 prefix this machine's, on the loopback device, under a number of its own. Closing it
// takes them away, together with what was connected to them: what is sent there then goes where the routes lead.
func Own(number int, prefix string) (io.Closer, error) {
	device := fmt.Sprintf("lo:%d", number)
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		return nil, fmt.Errorf("own %s: %w", prefix, err)
	}
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-p.Bits()))
	err = withSocket(func(s int) error {
		if err := setAddress(s, syscall.SIOCSIFADDR, device, p.Addr().String()); err != nil {
			return err
		}
		return setAddress(s, syscall.SIOCSIFNETMASK, device, netip.AddrFrom4(mask).String())
	})
	if err != nil {
		return nil, fmt.Errorf("own %s: %w", prefix, err)
	}
	return alias(device), nil
}

// alias is an additional address of a device.
type alias string

// Close takes the address away.
func (a alias) Close() error {
	return withSocket(func(s int) error {
		return ioctl(s, syscall.SIOCSIFFLAGS, unsafe.Pointer(newIfreq(string(a)))) // no flags: it is down, which an alias does not survive
	})
}

// Reject makes connections to the IPv4 prefix fail at once, as unreachable.
func Reject(prefix string) error {
	return addRoute(prefix, "0.0.0.0", syscall.RTF_UP|syscall.RTF_REJECT)
}

// ifreq is struct ifreq: a name and a union of 24 bytes.
type ifreq [syscall.IFNAMSIZ + 24]byte

func newIfreq(device string) *ifreq {
	r := new(ifreq)
	copy(r[:], device)
	return r
}

// sockaddr is a struct sockaddr_in without a port.
func sockaddr(addr string) [16]byte {
	var s [16]byte
	binary.NativeEndian.PutUint16(s[:], syscall.AF_INET)
	a := netip.MustParseAddr(addr).As4()
	copy(s[4:], a[:])
	return s
}

func setAddress(s int, request uintptr, device, addr string) error {
	r := newIfreq(device)
	sa := sockaddr(addr)
	copy(r[syscall.IFNAMSIZ:], sa[:])
	return ioctl(s, request, unsafe.Pointer(r))
}

func deviceUp(device string) error {
	return withSocket(func(s int) error {
		r := newIfreq(device)
		if err := ioctl(s, syscall.SIOCGIFFLAGS, unsafe.Pointer(r)); err != nil {
			return fmt.Errorf("read the flags of %s: %w", device, err)
		}
		flags := binary.NativeEndian.Uint16(r[syscall.IFNAMSIZ:])
		binary.NativeEndian.PutUint16(r[syscall.IFNAMSIZ:], flags|syscall.IFF_UP)
		if err := ioctl(s, syscall.SIOCSIFFLAGS, unsafe.Pointer(r)); err != nil {
			return fmt.Errorf("switch on %s: %w", device, err)
		}
		return nil
	})
}

// rtentry is struct rtentry of 64-bit Linux.
type rtentry struct {
	_                     uint64
	dst, gateway, genmask [16]byte
	flags                 uint16
	_                     int16
	_                     uint64
	_                     uint64
	metric                int16
	dev                   uintptr
	mtu, window           uint64
	irtt                  uint16
}

func addRoute(prefix, gateway string, flags uint16) error {
	p := netip.MustParsePrefix(prefix)
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-p.Bits()))
	route := rtentry{
		dst: sockaddr(p.Addr().String()), gateway: sockaddr(gateway),
		genmask: sockaddr(netip.AddrFrom4(mask).String()), flags: flags,
	}
	return withSocket(func(s int) error {
		if err := ioctl(s, syscall.SIOCADDRT, unsafe.Pointer(&route)); err != nil {
			return fmt.Errorf("add the route to %s: %w", prefix, err)
		}
		return nil
	})
}

func withSocket(f func(int) error) error {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer syscall.Close(s)
	return f(s)
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
