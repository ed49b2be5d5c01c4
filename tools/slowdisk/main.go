// Command slowdisk mounts a folder in another place, where syncs take as long as one says: each line of its standard input is a
// time, such as 500ms, for the syncs from now on. It says "ready" when it is mounted, and ends with its input.
//
// It needs Linux, /dev/fuse and the right to mount. End-to-end tests slow the disks of processes down with it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: slowdisk <folder> <where it is mounted>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "slowdisk:", err)
		os.Exit(1)
	}
}

func run(folder, at string, in io.Reader, out io.Writer) error {
	var stat syscall.Stat_t
	if err := syscall.Stat(folder, &stat); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	p := &pace{changed: make(chan struct{})}
	root := &fs.LoopbackRoot{Path: folder, Dev: uint64(stat.Dev)}
	root.RootNode = &node{LoopbackNode: fs.LoopbackNode{RootData: root}, pace: p}
	server, err := fs.Mount(at, root.RootNode, &fs.Options{MountOptions: fuse.MountOptions{
		FsName: folder, Name: "slowdisk", DirectMountStrict: true,
	}})
	if err != nil {
		return fmt.Errorf("mount %s: %w", at, err)
	}
	fmt.Fprintln(out, "ready")
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		d, err := time.ParseDuration(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, "slowdisk:", err)
			continue
		}
		p.set(d)
		fmt.Fprintln(out, d)
	}
	p.set(0)
	if err := server.Unmount(); err != nil { // somebody is in there still
		return fmt.Errorf("unmount %s: %w", at, err)
	}
	return lines.Err()
}

// pace is how long a sync takes at least.
type pace struct {
	mu      sync.Mutex
	takes   time.Duration
	changed chan struct{} // closed and replaced by set
}

func (p *pace) set(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takes = d
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait lasts as long as a sync, or until the pace is another, or until who waits has been killed.
func (p *pace) wait(ctx context.Context) {
	p.mu.Lock()
	takes, changed := p.takes, p.changed
	p.mu.Unlock()
	if takes <= 0 {
		return
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// node is a file or a folder of the mounted one.
type node struct {
	fs.LoopbackNode
	pace *pace
}

var (
	_ fs.NodeFsyncer     = (*node)(nil)
	_ fs.NodeWrapChilder = (*node)(nil)
)

// WrapChild makes files and folders within what this one is.
func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, pace: n.pace}
}

func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	n.pace.wait(ctx)
	if file, ok := f.(fs.FileFsyncer); ok {
		return file.Fsync(ctx, flags)
	}
	return fs.OK
}
