package nettest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// tokenPatience bounds a fetch, whatever time the checks have that wait for it.
	tokenPatience = 30 * time.Second
	// A token is not used for the last tenth of its life, tokenMargin at most.
	tokenMargin = 30 * time.Second
	// tokenLife is for tokens of which no life is told, maxTokenLife for all.
	tokenLife    = time.Minute
	maxTokenLife = 24 * time.Hour
	// maxTokens bounds how many are kept, maxToken how long one may be in bytes.
	maxTokens        = 4096
	maxToken         = 16 << 10
	maxTokenResponse = 256 << 10
)

// token is one that was granted.
type token struct {
	value   string
	until   time.Time // used up to here
	fetched time.Time
	took    time.Duration
}

// tokenKey is everything that a token depends on. Secrets are in sum only.
type tokenKey struct {
	sum   [sha256.Size]byte
	roots *x509.CertPool
	base  *tls.Config
	skip  bool
}

// tokenCache holds the tokens of a Network. Checks that need the same one at the
// same time share a fetch. The zero value is ready.
type tokenCache struct {
	mu      sync.Mutex
	ready   map[tokenKey]*token
	fetches map[tokenKey]*tokenFetch
}

// tokenFetch is a fetch under way; it ends when nobody waits for it any more.
type tokenFetch struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	token   *token // valid when done is closed, like failed
	failed  *tokenFailure
}

// tokenFailure says why there is no token. typ is ErrAuth, or the prober's own
// trouble.
type tokenFailure struct {
	typ    ErrorType
	detail string
}

// get returns a token, from the cache if one is there.
func (t *tokenCache) get(ctx context.Context, key tokenKey, fetch func(context.Context) (*token, *tokenFailure)) (got *token, cached bool, failed *tokenFailure) {
	t.mu.Lock()
	if ready := t.ready[key]; ready != nil && time.Now().Before(ready.until) {
		t.mu.Unlock()
		return ready, true, nil
	}
	f := t.fetches[key]
	if f == nil {
		fetchCtx, cancel := context.WithTimeout(context.Background(), tokenPatience)
		f = &tokenFetch{done: make(chan struct{}), cancel: cancel}
		if t.fetches == nil {
			t.fetches = make(map[tokenKey]*tokenFetch)
		}
		t.fetches[key] = f
		go func() {
			f.token, f.failed = fetch(fetchCtx)
			t.settle(key, f)
		}()
	}
	f.waiters++
	t.mu.Unlock()
	defer t.leave(key, f)
	select {
	case <-f.done:
		return f.token, false, f.failed
	case <-ctx.Done():
		return nil, false, &tokenFailure{typ: ErrAuth, detail: "it did not answer in time"}
	}
}

func (t *tokenCache) settle(key tokenKey, f *tokenFetch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.token != nil {
		t.keep(key, f.token)
	}
	if t.fetches[key] == f {
		delete(t.fetches, key)
	}
	f.cancel()
	close(f.done)
}

// leave ends a fetch that nobody waits for.
func (t *tokenCache) leave(key tokenKey, f *tokenFetch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.waiters--
	if f.waiters == 0 {
		f.cancel()
		if t.fetches[key] == f { // so that nobody joins what is being ended
			delete(t.fetches, key)
		}
	}
}

func (t *tokenCache) keep(key tokenKey, got *token) {
	if t.ready == nil {
		t.ready = make(map[tokenKey]*token)
	}
	if len(t.ready) >= maxTokens {
		now := time.Now()
		for k, old := range t.ready {
			if !now.Before(old.until) {
				delete(t.ready, k)
			}
		}
	}
	for k := range t.ready { // any, if all are good
		if len(t.ready) < maxTokens {
			break
		}
		delete(t.ready, k)
	}
	t.ready[key] = got
}

// drop forgets a token that a target refused, unless there is a newer one.
func (t *tokenCache) drop(key tokenKey, refused *token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready[key] == refused {
		delete(t.ready, key)
	}
}

// proveByToken makes the request with a token, and once more with a new one if
// one from the cache is refused.
func (r *httpRun) proveByToken(h *hop) (*response, *failure) {
	key := r.tokenKey()
	cached, failed := r.fetchToken(key)
	if failed != nil {
		return nil, failed
	}
	resp, failed := r.request(h)
	if failed != nil || resp.code != http.StatusUnauthorized {
		return resp, failed
	}
	r.network.tokens.drop(key, r.token)
	if !cached {
		return resp, nil
	}
	r.keepCookies(h.url, resp)
	resp.close(true)
	if _, failed = r.fetchToken(key); failed != nil {
		return nil, failed
	}
	return r.request(h)
}

// fetchToken sets r.token. The time it takes is not the target's.
func (r *httpRun) fetchToken(key tokenKey) (cached bool, failed *failure) {
	r.watch.stop()
	endpoint := r.own.Auth.OAuth2
	got, cached, problem := r.network.tokens.get(r.ctx, key, func(ctx context.Context) (*token, *tokenFailure) {
		return fetchToken(ctx, r.HTTPCheck)
	})
	r.watch.leaveOut(time.Now())
	if problem != nil {
		u, err := url.Parse(endpoint.TokenURL)
		if err == nil {
			r.at, _ = targetOf(u)
		}
		r.via = ""
		return false, &failure{phase: PhaseRequest, typ: problem.typ, detail: problem.detail}
	}
	if !cached {
		r.warn(fmt.Sprintf("the access token was fetched in %d ms, which is no part of the response time", got.took.Milliseconds()))
	}
	r.token = got
	return cached, nil
}

// leaveOut takes the time since the last moment out of the watch.
func (s *stopwatch) leaveOut(now time.Time) {
	s.begun = s.begun.Add(now.Sub(s.last))
	s.last = now
}

func (p *HTTPCheck) tokenKey() tokenKey {
	o := p.own.Auth.OAuth2
	var b strings.Builder
	add := func(parts ...string) {
		for _, part := range parts {
			b.WriteString(strconv.Quote(part))
		}
	}
	add(o.TokenURL, o.ClientID, o.ClientSecret, o.Audience, strconv.FormatBool(o.InBody), string(p.own.IPVersion))
	if p.own.Proxy != nil {
		add(p.own.Proxy.URL, p.own.Proxy.Username, p.own.Proxy.Password)
	}
	if d := p.config.DNS; d != nil {
		add(fmt.Sprint(d.Servers))
	}
	b.WriteString(" ")
	add(o.Scopes...)
	return tokenKey{
		sum: sha256.Sum256([]byte(b.String())), roots: p.own.TLSOptions.RootCAs, base: p.tls,
		skip: p.own.SkipVerify || p.own.TLSOptions.SkipVerify,
	}
}

// fetchToken asks the endpoint for a token as p's target is asked.
func fetchToken(ctx context.Context, p *HTTPCheck) (*token, *tokenFailure) {
	o := p.own.Auth.OAuth2
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	if o.Audience != "" {
		form.Set("audience", o.Audience)
	}
	headers := []HeaderField{{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}}
	if o.InBody {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", o.ClientSecret)
	} else {
		// Both are encoded as in a form first (RFC 6749, section 2.3.1).
		pair := url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret)
		headers = append(headers, HeaderField{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))})
	}
	test := &HTTPTest{Network: p.shared, TLS: p.tls}
	check, err := test.Prepare(TestConfig{
		Address: o.TokenURL, Timeout: tokenPatience, DNS: p.config.DNS,
		Config: HTTPConfig{
			Method: "POST", Headers: headers, Body: form.Encode(), IPVersion: p.own.IPVersion, Proxy: p.own.Proxy,
			UserAgent: p.own.UserAgent, SkipVerify: p.own.SkipVerify,
			TLSOptions: TLSOptions{RootCAs: p.own.TLSOptions.RootCAs, SkipVerify: p.own.TLSOptions.SkipVerify},
			BodyLimit:  maxTokenResponse, MaxResponseBytes: maxTokenResponse,
			Expect: func(*TestResult) []string { return nil },
		},
	})
	if err != nil {
		return nil, &tokenFailure{ErrInternal, "the token endpoint's settings cannot be used"}
	}
	result, err := check.Execute(ctx)
	switch {
	case err == nil:
		return readToken(result)
	case result.Status == StatusError:
		return nil, &tokenFailure{result.ErrorType, "while an access token was fetched"}
	default:
		// Its sentence is made of the endpoint's address and what the network said.
		return nil, &tokenFailure{ErrAuth, result.Error}
	}
}

// oauthErrors are the only words of an endpoint that are repeated; any other may
// hold what it was sent.
var oauthErrors = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable",
}

// readToken reads an endpoint's answer (RFC 6749, sections 5.1 and 5.2).
func readToken(r *TestResult) (*token, *tokenFailure) {
	refuse := func(format string, args ...any) (*token, *tokenFailure) {
		return nil, &tokenFailure{ErrAuth, fmt.Sprintf(format, args...)}
	}
	var answer struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		Error       string          `json:"error"`
	}
	err := json.Unmarshal(r.Body, &answer)
	switch {
	case r.StatusCode != http.StatusOK && slices.Contains(oauthErrors, answer.Error):
		return refuse("it answered %d: %s", r.StatusCode, answer.Error)
	case r.StatusCode != http.StatusOK:
		return refuse("it answered %d", r.StatusCode)
	case err != nil:
		return refuse("its answer is not the JSON of a token")
	case answer.AccessToken == "":
		return refuse("its answer has no access_token")
	case len(answer.AccessToken) > maxToken || !httpguts.ValidHeaderFieldValue(answer.AccessToken):
		return refuse("its access_token is too long, or has a character that headers cannot have")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return refuse("its token_type is not bearer")
	}
	// The life counts from when it was asked for, so that it never ends too late.
	life := readLife(answer.ExpiresIn)
	return &token{
		value: answer.AccessToken, took: r.Latency, fetched: r.Timestamp,
		until: r.Timestamp.Add(life - min(life/10, tokenMargin)),
	}, nil
}

// readLife reads expires_in, a number of seconds that some servers write as text.
func readLife(raw json.RawMessage) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	switch {
	case err != nil || seconds != seconds:
		return tokenLife
	case seconds <= 0:
		return 0
	case seconds > maxTokenLife.Seconds():
		return maxTokenLife
	default:
		return time.Duration(seconds * float64(time.Second))
	}
}
