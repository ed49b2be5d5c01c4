//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ownsListener reports whether this process itself listens on the port, as the kernel tells it. Whoever answers there
// might be another server that was quicker.
func ownsListener(port int) bool {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for inode := range listeners(table, port) {
			if holdsSocket(inode) {
				return true
			}
		}
	}
	return false
}

// listeners are the inodes of the sockets in a table of the kernel's that listen on the port.
func listeners(table string, port int) map[string]bool {
	f, err := os.Open(table)
	if err != nil {
		return nil // a kernel without IPv6 has no tcp6
	}
	defer f.Close()
	const localAddress, state, inode, listening = 1, 3, 9, "0A"
	out := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > inode && fields[state] == listening && strings.HasSuffix(fields[localAddress], fmt.Sprintf(":%04X", port)) {
			out[fields[inode]] = true
		}
	}
	return out
}

func holdsSocket(inode string) bool {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
