package prober

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// errTorn is a record that was not written whole.
var errTorn = errors.New("torn record")

// read replays the log up to its end, or to where it is torn.
func (c *cache) read(was *cached) error {
	f, err := os.Open(c.path(assignmentsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cached assignments: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		sealed, err := readRecord(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var body []byte
		if err == nil {
			body, err = c.box.Open(sealed, cacheName)
		}
		if err != nil {
			c.log.Warn("cached assignments are read in part", "error", err, "records", c.records)
			return nil
		}
		c.size += int64(len(sealed)) + recordHead
		c.records++
		c.replay(body, was)
	}
}

func (c *cache) replay(body []byte, was *cached) {
	var m monitorsv1.WatchAssignmentsResponse
	if err := proto.Unmarshal(body, &m); err != nil {
		c.log.Warn("a cached assignment cannot be read", "error", err)
		return
	}
	switch step := m.GetStep().(type) {
	case *monitorsv1.WatchAssignmentsResponse_Assigned:
		id := step.Assigned.GetSpec().GetMonitorId()
		was.assignments[id], c.marks[id] = step.Assigned, crc32.Checksum(body, cacheTable)
	case *monitorsv1.WatchAssignmentsResponse_RemovedMonitorId:
		delete(was.assignments, step.RemovedMonitorId)
		delete(c.marks, step.RemovedMonitorId)
	case *monitorsv1.WatchAssignmentsResponse_Lease:
		was.lease = step.Lease
	}
}

// recordHead is the size of what stands before a record: its length and its checksum.
const recordHead = 8

func appendRecord(dst, body []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(body, cacheTable))
	return append(dst, body...)
}

// readRecord is the next record; io.EOF at the end, errTorn when it is not whole.
func readRecord(r io.Reader) ([]byte, error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errTorn
	} else if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxRecord {
		return nil, errTorn
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n))) // a length that is not true costs no memory
	if err != nil {
		return nil, err
	}
	if len(body) < int(n) {
		return nil, errTorn
	}
	if crc32.Checksum(body, cacheTable) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errTorn
	}
	return body, nil
}

// write appends to the log, behind what was written whole.
func (c *cache) write(records []byte) error {
	f, err := os.OpenFile(c.path(assignmentsFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cached assignments: %w", err)
	}
	err = f.Truncate(c.size)
	if err == nil {
		_, err = f.WriteAt(records, c.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write cached assignments: %w", err)
	}
	c.size += int64(len(records))
	return nil
}

// compact writes the log anew with what is live in it.
func (c *cache) compact() error {
	was := cached{assignments: map[uint32]*monitorsv1.Assignment{}}
	again := &cache{dir: c.dir, box: c.box, log: c.log, marks: map[uint32]uint32{}}
	if err := again.read(&was); err != nil {
		return err
	}
	if was.lease != nil {
		again.leaseRecord(was.lease)
	}
	for a := range maps.Values(was.assignments) {
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(assignedStep(a))
		if err != nil {
			return fmt.Errorf("encode assignment: %w", err)
		}
		again.add(body)
	}
	if err := writeWhole(c.path(assignmentsFile), again.pending); err != nil {
		return err
	}
	c.size, c.records = int64(len(again.pending)), again.adds
	return nil
}

// writeWhole replaces a file by one that is whole, or leaves it as it was, whatever happens meanwhile.
func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // which may have been renamed
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
