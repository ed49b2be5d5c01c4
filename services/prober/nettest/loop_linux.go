//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nettest

import "net/netip"

type plainCheck struct{}

func (*plainCheck) prepare(netip.AddrPort) {}

func newNativeLoop(n *Network, o LoopOptions) (loopEngine, error) { return newPortableLoop(n, o), nil }
