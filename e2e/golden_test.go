package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/golden from what the server answers")

const goldenDir = "testdata/golden"

// pair is one request and what the server answers, as it stands in testdata/golden.
// Parts in braces of the request are identifiers that earlier answers gave.
type pair struct {
	Operation string       `json:"operation"` // verb and path as OpenAPI has them
	Request   pairRequest  `json:"request"`
	Response  pairResponse `json:"response"`
}

type pairRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

type pairResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

// credential is what a step sends to say who it is.
type credential int

const (
	byKey    credential = iota // the API key that was made first
	byCookie                   // the session
	byNobody
)

// step is one pair of the script in golden_script_test.go.
type step struct {
	name    string // of the file
	op      string // "GET /api/uptime/monitors/{id}"
	path    string // with {variables}; "" means that of op
	as      credential
	headers map[string]string
	body    any               // strings in it may be {variables}
	keep    map[string]string // variable ← "id", "pagination.next_page_token", "0.id" or "header:Name"
	before  func(g *golden)   // what has to have happened
	hide    string            // field of the answer that may be this or that
}

// golden runs the script against one server.
type golden struct {
	*server
	vars   map[string]any
	cookie string
	key    string
	clean  normaliser
	sink   *sink
	web    *site
}

// TestGolden goes through the whole REST surface once: one pair for each endpoint and
// each query parameter.
func TestGolden(t *testing.T) {
	t.Parallel()
	g := newGolden(t)
	seen := map[string]bool{}
	for _, st := range goldenScript() {
		file := st.name + ".json"
		if seen[file] {
			t.Fatalf("two steps are called %s", st.name)
		}
		seen[file] = true
		if st.before != nil {
			st.before(g)
		}
		got := g.play(st)
		if *update {
			writePair(t, file, got)
			continue
		}
		want, err := readPair(file)
		if errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is not there; run this test with -update and read what it writes", file)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	for _, file := range goldenFiles(t) {
		if !seen[file] {
			if *update {
				_ = os.Remove(filepath.Join(goldenDir, file))
			} else {
				t.Errorf("%s belongs to no step", file)
			}
		}
	}
}

// play makes the request of a step and returns the pair with everything volatile named.
func (g *golden) play(st step) pair {
	g.t.Helper()
	method, template, _ := strings.Cut(st.op, " ")
	path := st.path
	if path == "" {
		path = template
	}
	headers := []string{"Authorization", ""}
	switch st.as {
	case byKey:
		headers[1] = "Bearer " + g.key
	case byCookie:
		headers = append(headers, "Cookie", g.cookie)
	}
	for name, value := range st.headers {
		headers = append(headers, name, fmt.Sprint(g.fill(value)))
	}
	var body any
	if st.body != nil {
		body = g.fill(st.body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := g.request(ctx, st.op, method, fmt.Sprint(g.fill(path)), body, headers)
	if err != nil {
		g.t.Fatalf("%s: %v", st.name, err)
	}
	if cookies := (&http.Response{Header: r.header}).Cookies(); len(cookies) > 0 && cookies[0].Value != "" {
		g.cookie = cookies[0].Name + "=" + cookies[0].Value
	}
	for name, where := range st.keep {
		g.vars[name] = g.pick(st.name, r, where)
	}
	if key, ok := g.vars["key"].(string); ok {
		g.key = key
	}
	shown := g.clean.body(g.t, r)
	if object, ok := shown.(obj); ok && st.hide != "" {
		object[st.hide] = "<" + st.hide + ">"
	}
	return pair{
		Operation: st.op,
		Request:   pairRequest{Method: method, Path: path, Headers: st.headers, Body: st.body},
		Response:  pairResponse{Status: r.status, Headers: g.clean.headers(r.header), Body: shown},
	}
}

// request is a plain one, except that of a stream only the first frames are read.
func (g *golden) request(ctx context.Context, op, method, path string, body any, headers []string) (reply, error) {
	if op != "GET /api/uptime/stream" {
		return g.try(ctx, method, path, body, headers...)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, nil)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := g.rest.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	var got []byte
	chunk := make([]byte, 4096)
	for !bytes.Contains(got, []byte("data: ")) || !bytes.HasSuffix(got, []byte("\n\n")) {
		n, err := resp.Body.Read(chunk)
		if err != nil {
			return reply{}, err
		}
		got = append(got, chunk[:n]...)
	}
	return reply{resp.StatusCode, resp.Header, got}, nil
}

// fill puts variables into a string, or into all strings of a JSON value. A string that is
// nothing but a variable becomes its value, number or not.
func (g *golden) fill(v any) any {
	switch v := v.(type) {
	case string:
		if name, ok := strings.CutPrefix(v, "{"); ok && strings.IndexByte(v, '}') == len(v)-1 {
			if value, ok := g.vars[name[:len(name)-1]]; ok {
				return value
			}
		}
		for name, value := range g.vars {
			v = strings.ReplaceAll(v, "{"+name+"}", fmt.Sprint(value))
		}
		return v
	case obj:
		out := obj{}
		for k, e := range v {
			out[k] = g.fill(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = g.fill(e)
		}
		return out
	}
	return v
}

// pick finds what a variable is to hold.
func (g *golden) pick(step string, r reply, where string) any {
	g.t.Helper()
	if name, ok := strings.CutPrefix(where, "header:"); ok {
		if v := r.header.Get(name); v != "" {
			return v
		}
		g.t.Fatalf("%s: no header %s in %v", step, name, r.header)
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		g.t.Fatalf("%s: %v in %s", step, err, r.body)
	}
	for part := range strings.SplitSeq(where, ".") {
		switch in := v.(type) {
		case obj:
			v = in[part]
		case []any:
			v = nil
			if i, err := strconv.Atoi(part); err == nil && i < len(in) {
				v = in[i]
			}
		default:
			v = nil
		}
	}
	if v == nil {
		g.t.Fatalf("%s: no %s in status %d %s", step, where, r.status, r.body)
	}
	return v
}

// plain is p as JSON values, so that what was read and what was made compare.
func plain(t *testing.T, p pair) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(encode(t, p), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	found, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func readPair(file string) (pair, error) {
	raw, err := os.ReadFile(filepath.Join(goldenDir, file))
	if err != nil {
		return pair{}, err
	}
	var p pair
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return pair{}, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func writePair(t *testing.T, file string, p pair) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(goldenDir, file), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
