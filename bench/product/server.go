// Package product starts a whole `frogup serve` for a benchmark, makes monitors over its
// REST surface, and reads back what became of their slots.
package product

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/frogstats/uptime/bench/control"
)

const apiKey = "fleet-benchmark-key-0123456789"

// OwnerEmail and OwnerPassword are those of the owner that a server here is set up with.
const (
	OwnerEmail    = "bench@example.com"
	OwnerPassword = "a-benchmark-password"
)

// Server is the frogup that is measured.
type Server struct {
	Pid int

	child *control.Child
	dir   string
	base  string
	ids   []int
}

// Monitor is what a TCP monitor is made of.
type Monitor struct {
	Host string
	Port int
}

// Start starts binary with an empty data folder, pinned to a processor or to control.AnyCPU.
func Start(ctx context.Context, binary string, cpu int) (*Server, error) {
	dir, err := os.MkdirTemp("", folderPattern)
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	return start(ctx, binary, dir, cpu)
}

const folderPattern = "frogup-bench-"

// start starts binary with what is in dir, which it takes over.
func start(ctx context.Context, binary, dir string, cpu int) (*Server, error) {
	logFile, err := os.Create(filepath.Join(dir, "stderr.log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer logFile.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	options := control.Options{CPU: cpu, Stdout: write, Stderr: logFile, Env: []string{
		"FROGUP_ADMIN_EMAIL=" + OwnerEmail, "FROGUP_ADMIN_PASSWORD=" + OwnerPassword, "FROGUP_ADMIN_API_KEY=" + apiKey,
	}}
	s := &Server{dir: dir}
	s.child, err = control.Start(ctx, options, binary, "serve", "--data", filepath.Join(dir, dataFolder), "--listen", "127.0.0.1:0")
	_ = write.Close()
	if err != nil {
		return nil, err
	}
	s.Pid = s.child.Pid
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.base = at
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return s, nil
		}
	}
	_ = s.child.Wait()
	log, _ := os.ReadFile(logFile.Name())
	return nil, fmt.Errorf("%s did not start: %s", binary, log)
}

// Open starts binary on all processors with its data in a folder that stays: in data inside dir.
func Open(ctx context.Context, binary, dir string) (*Server, error) {
	return start(ctx, binary, dir, control.AnyCPU)
}

// End ends the server and leaves its folder.
func (s *Server) End() error { return s.end() }

// Call sends a request as the owner's API key and reads the answer's JSON.
func (s *Server) Call(ctx context.Context, method, path string, body, answer any) error {
	return s.call(ctx, method, path, body, answer)
}

// Stop ends the server and removes its folder, unless it ended badly.
func (s *Server) Stop() error {
	if err := s.end(); err != nil {
		return err
	}
	return os.RemoveAll(s.dir)
}

func (s *Server) end() error {
	if err := s.child.Stop(); err != nil {
		return fmt.Errorf("server ended badly, its folder is %s: %w", s.dir, err)
	}
	return nil
}

// Fleet is the data folder of a server that has monitors, to start from more than once:
// making thousands of them takes far longer than measuring them.
type Fleet struct {
	binary string
	dir    string
	ids    []int
}

// Prepare makes a fleet on all processors.
func Prepare(ctx context.Context, binary string, list []Monitor, interval int) (*Fleet, error) {
	s, err := Start(ctx, binary, control.AnyCPU)
	if err != nil {
		return nil, err
	}
	if err := s.Create(ctx, list, interval); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return &Fleet{binary, s.dir, s.ids}, s.end()
}

// Start starts a server on a copy of the fleet.
func (f *Fleet) Start(ctx context.Context, cpu int) (*Server, error) {
	dir, err := os.MkdirTemp("", folderPattern)
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if err := copyPrivate(filepath.Join(dir, dataFolder), filepath.Join(f.dir, dataFolder)); err != nil {
		return nil, fmt.Errorf("copy data folder: %w", err)
	}
	s, err := start(ctx, f.binary, dir, cpu)
	if err != nil {
		return nil, err
	}
	s.ids = f.ids
	return s, nil
}

// copyPrivate copies a folder for the owner's eyes only, which the server insists on for its keys.
func copyPrivate(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
}

// Remove removes the fleet's folder.
func (f *Fleet) Remove() error { return os.RemoveAll(f.dir) }

const dataFolder = "data"

func (s *Server) call(ctx context.Context, method, path string, body, answer any) error {
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

// Create makes a TCP monitor for each of list.
func (s *Server) Create(ctx context.Context, list []Monitor, interval int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var mu sync.Mutex
	for i, m := range list {
		g.Go(func() error {
			var made struct{ ID int }
			err := s.call(ctx, "POST", "/api/uptime/monitors", map[string]any{
				"name": "m" + strconv.Itoa(i), "monitor_type": "tcp", "interval_seconds": interval,
				"tcp_config": map[string]any{"host": m.Host, "port": m.Port},
			}, &made)
			mu.Lock()
			defer mu.Unlock()
			s.ids = append(s.ids, made.ID)
			return err
		})
	}
	return g.Wait()
}

// Slots is what became of the slots that were due.
type Slots struct {
	Ran, Missed, Failed int
	Late                []time.Duration // of those that ran, ascending
}

// Read reads every result of the time from the REST surface, of the first n monitors.
func (s *Server) Read(ctx context.Context, n int, from, until time.Time) (Slots, error) {
	var all Slots
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, id := range s.ids[:min(n, len(s.ids))] {
		g.Go(func() error {
			one, err := s.readMonitor(ctx, id, from, until)
			mu.Lock()
			defer mu.Unlock()
			all.Ran, all.Missed, all.Failed = all.Ran+one.Ran, all.Missed+one.Missed, all.Failed+one.Failed
			all.Late = append(all.Late, one.Late...)
			return err
		})
	}
	err := g.Wait()
	slices.Sort(all.Late)
	return all, err
}

func (s *Server) readMonitor(ctx context.Context, id int, from, until time.Time) (Slots, error) {
	var out Slots
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
				out.Missed += e.MissedCount
				continue
			}
			out.Ran++
			if e.Status != "success" {
				out.Failed++
			}
			out.Late = append(out.Late, e.Timestamp.Sub(e.ScheduledAt))
		}
		if token = page.Pagination.Next; token == "" {
			return out, nil
		}
	}
}
