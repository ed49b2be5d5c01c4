package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	defaultServer  = "http://127.0.0.1:8080"
	requestTimeout = 30 * time.Second
	maxAnswer      = 64 << 20 // bytes
	pageSize       = 500
)

// client speaks to a server's REST surface.
type client struct {
	base  *url.URL
	key   string
	agent string
	http  *http.Client
}

// newClient makes a client of the server at address, which may lack its scheme.
func newClient(address, key, version string) (*client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("--server must be a URL such as " + defaultServer)
	}
	return &client{
		base: base, key: strings.TrimSpace(key), agent: "frogup/" + version,
		http: &http.Client{
			Timeout: requestTimeout,
			// Its own, so that no idle connection outlives the verb.
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			// A redirected POST would become a GET, and the key might go elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// serverError is an answer that is not a success.
type serverError struct {
	status  int
	message string
	code    string
	request string // id
	fields  []fieldError
	key     bool // one was sent
}

type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error says what the server said, one line per field.
func (e *serverError) Error() string {
	var b strings.Builder
	switch {
	case e.status >= 500:
		b.WriteString("the server failed: ")
	default:
		b.WriteString("the server refused: ")
	}
	b.WriteString(e.message)
	if e.code != "" {
		fmt.Fprintf(&b, " (%s)", e.code)
	}
	for _, f := range e.fields {
		fmt.Fprintf(&b, "\n  %s: %s", clean(f.Field), clean(f.Message))
	}
	if e.status == http.StatusUnauthorized {
		b.WriteString("\n  " + pick(e.key, "check that the API key is this server's and was not revoked", "give an API key in FROGUP_API_KEY, or FROGUP_API_KEY_FILE, or with --api-key"))
	}
	if e.request != "" {
		b.WriteString("\n  request " + e.request)
	}
	return b.String()
}

// notFound reports whether err says that the server knows no such object.
func notFound(err error) bool {
	var e *serverError
	return errors.As(err, &e) && e.status == http.StatusNotFound && e.code != ""
}

// do sends one request under /api/uptime and returns the answer's body and head.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, http.Header, error) {
	u := c.base.JoinPath("api/uptime", path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, c.unreachable(err)
	case len(answer) > maxAnswer:
		return nil, nil, fmt.Errorf("the server's answer is longer than %d MiB", maxAnswer>>20)
	case resp.StatusCode >= 300:
		return nil, nil, c.refused(resp, answer)
	}
	return answer, resp.Header, nil
}

func (c *client) unreachable(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text would repeat the URL
	}
	hint := ""
	if errors.Is(err, syscall.ECONNREFUSED) {
		hint = "; frogup serve starts a server, --server or FROGUP_SERVER names another"
	}
	return fmt.Errorf("cannot reach the server at %s: %w%s", c.base.Redacted(), err, hint)
}

// refused reads the error body of the REST surface, or makes the best of another.
func (c *client) refused(resp *http.Response, answer []byte) error {
	if location := resp.Header.Get("Location"); resp.StatusCode < 400 {
		return fmt.Errorf("%s leads elsewhere (%d to %s): give the right address with --server", c.base.Redacted(), resp.StatusCode, clean(location))
	}
	var doc struct {
		Error     string       `json:"error"`
		Code      string       `json:"code"`
		Details   []fieldError `json:"details"`
		RequestID string       `json:"request_id"`
	}
	e := &serverError{status: resp.StatusCode, key: c.key != ""}
	if json.Unmarshal(answer, &doc) == nil && doc.Error != "" {
		e.message, e.code, e.request, e.fields = clean(doc.Error), clean(doc.Code), clean(doc.RequestID), doc.Details
		return e
	}
	e.message = fmt.Sprintf("%d %s; is a Frogstats Uptime server at %s?", resp.StatusCode, http.StatusText(resp.StatusCode), c.base.Redacted())
	return e
}

// list returns all monitors that match, page by page.
func (c *client) list(ctx context.Context, filter url.Values) ([]json.RawMessage, error) {
	query := url.Values{"page_size": {strconv.Itoa(pageSize)}}
	for name, values := range filter {
		query[name] = values
	}
	all := []json.RawMessage{}
	for {
		answer, head, err := c.do(ctx, http.MethodGet, "monitors", query, nil)
		if err != nil {
			return nil, err
		}
		var page []json.RawMessage
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, fmt.Errorf("read the list of monitors: %w", err)
		}
		all = append(all, page...)
		token := head.Get("X-Next-Page-Token")
		if token == "" {
			return all, nil
		}
		if token == query.Get("page_token") {
			return nil, errors.New("read the list of monitors: the server gives the same page again")
		}
		query.Set("page_token", token)
	}
}

// firstPage returns the newest monitors, most at most.
func (c *client) firstPage(ctx context.Context, most int) ([]monitorView, error) {
	answer, _, err := c.do(ctx, http.MethodGet, "monitors", url.Values{"page_size": {strconv.Itoa(most)}}, nil)
	if err != nil {
		return nil, err
	}
	var monitors []monitorView
	if err := json.Unmarshal(answer, &monitors); err != nil {
		return nil, fmt.Errorf("read the list of monitors: %w", err)
	}
	return monitors, nil
}

func monitorPath(id uint32, rest ...string) string {
	return strings.Join(append([]string{"monitors", strconv.FormatUint(uint64(id), 10)}, rest...), "/")
}

// get returns one monitor.
func (c *client) get(ctx context.Context, id uint32) (json.RawMessage, error) {
	answer, _, err := c.do(ctx, http.MethodGet, monitorPath(id), nil, nil)
	return answer, err
}

// events returns the latest checks of a monitor, newest first.
func (c *client) events(ctx context.Context, id uint32, limit int) ([]json.RawMessage, error) {
	answer, _, err := c.do(ctx, http.MethodGet, monitorPath(id, "events"), url.Values{"limit": {strconv.Itoa(limit)}}, nil)
	if err != nil {
		return nil, err
	}
	var page struct {
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, fmt.Errorf("read the checks: %w", err)
	}
	return page.Events, nil
}

// create stores a monitor and returns it.
func (c *client) create(ctx context.Context, body []byte) (json.RawMessage, error) {
	answer, _, err := c.do(ctx, http.MethodPost, "monitors", nil, body)
	return answer, err
}

// remove deletes one monitor.
func (c *client) remove(ctx context.Context, id uint32) error {
	_, _, err := c.do(ctx, http.MethodDelete, monitorPath(id), nil, nil)
	return err
}
