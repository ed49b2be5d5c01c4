package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const apiKey = "fleet-benchmark-key-0123456789"

// server is the frogup that is measured.
type server struct {
	cmd  *exec.Cmd
	dir  string
	base string
	ids  []int
}

func startServer(ctx context.Context, binary string) (*server, error) {
	dir, err := os.MkdirTemp("", "frogup-fleet-")
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	logFile, err := os.Create(filepath.Join(dir, "stderr.log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer logFile.Close()
	s := &server{dir: dir, cmd: exec.CommandContext(ctx, binary, "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")}
	s.cmd.Env = append(os.Environ(), "FROGUP_ADMIN_EMAIL=bench@example.com", "FROGUP_ADMIN_PASSWORD=a-benchmark-password", "FROGUP_ADMIN_API_KEY="+apiKey)
	s.cmd.Stderr = logFile
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 15 * time.Second
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.base = at
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s, nil
		}
	}
	log, _ := os.ReadFile(logFile.Name())
	return nil, fmt.Errorf("%s did not start: %s", binary, log)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "fleet: server ended with", err, "- its folder is", s.dir)
		return
	}
	_ = os.RemoveAll(s.dir)
}

func (s *server) call(ctx context.Context, method, path string, body, answer any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, in)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	return json.Unmarshal(b, answer)
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 30 * time.Second}

func (s *server) createMonitors(ctx context.Context, addresses []*net.TCPAddr, interval int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var mu sync.Mutex
	for i, a := range addresses {
		g.Go(func() error {
			var m struct{ ID int }
			err := s.call(ctx, "POST", "/api/uptime/monitors", map[string]any{
				"name": "m" + strconv.Itoa(i), "monitor_type": "tcp", "interval_seconds": interval,
				"tcp_config": map[string]any{"host": a.IP.String(), "port": a.Port},
			}, &m)
			mu.Lock()
			defer mu.Unlock()
			s.ids = append(s.ids, m.ID)
			return err
		})
	}
	return g.Wait()
}

// slots is what became of the slots that were due.
type slots struct {
	ran, missed, failed int
	late                []time.Duration // of those that ran, ascending
}

func (s slots) quantile(q float64) time.Duration {
	if len(s.late) == 0 {
		return 0
	}
	return s.late[min(int(q*float64(len(s.late))), len(s.late)-1)]
}

// readSlots reads every result of the time from the REST surface.
func (s *server) readSlots(ctx context.Context, from, until time.Time) (slots, error) {
	var all slots
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, id := range s.ids {
		g.Go(func() error {
			one, err := s.readMonitor(ctx, id, from, until)
			mu.Lock()
			defer mu.Unlock()
			all.ran, all.missed, all.failed = all.ran+one.ran, all.missed+one.missed, all.failed+one.failed
			all.late = append(all.late, one.late...)
			return err
		})
	}
	err := g.Wait()
	slices.Sort(all.late)
	return all, err
}

func (s *server) readMonitor(ctx context.Context, id int, from, until time.Time) (slots, error) {
	var out slots
	token := ""
	for {
		var page struct {
			Events []struct {
				Status      string
				Timestamp   time.Time
				ScheduledAt time.Time `json:"scheduled_at"`
				MissedCount int       `json:"missed_count"`
			}
			Pagination struct {
				Next string `json:"next_page_token"`
			}
		}
		path := fmt.Sprintf("/api/uptime/monitors/%d/events?limit=1000&start_date=%s&end_date=%s", id, from.UTC().Format(time.RFC3339Nano), until.UTC().Format(time.RFC3339Nano))
		if token != "" {
			path += "&page_token=" + token
		}
		if err := s.call(ctx, "GET", path, nil, &page); err != nil {
			return out, err
		}
		for _, e := range page.Events {
			if e.Status == "missed" {
				out.missed += e.MissedCount
				continue
			}
			out.ran++
			if e.Status != "success" {
				out.failed++
			}
			out.late = append(out.late, e.Timestamp.Sub(e.ScheduledAt))
		}
		if token = page.Pagination.Next; token == "" {
			return out, nil
		}
	}
}

// cpu is the processor time that the server has used.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if errors.Join(err1, err2) != nil {
		return 0
	}
	const tick = time.Second / 100 // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick
}

// rss is the server's resident memory in bytes.
func (s *server) rss() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
