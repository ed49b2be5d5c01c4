package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// provider is a receiver that takes a message as one HTTP request: its settings, the shape of the request, and how its answers
// are to be read.
type provider struct {
	form
	// request is what to send. Its error is for people and quotes no setting; the message is then given up.
	request func(v values, p Parcel) (call, error)
	// judge reads the answer; nil means judgeStatus.
	judge func(a answer) Result
	list  int  // how many messages one can tell; 0 means that each comes by itself
	open  bool // whether a trouble is open there until its end is told
}

// call is one request.
type call struct {
	method string // "" means POST
	url    string
	header map[string]string
	media  string
	body   []byte
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte // its beginning, maxAnswerBytes at most
	at     time.Time
}

const (
	userAgent      = "frogup/1"
	maxAnswerBytes = 16 << 10
	jsonMedia      = "application/json"
	formMedia      = "application/x-www-form-urlencoded"
)

// jsonCall posts v.
func jsonCall(address string, v any) call {
	return call{url: address, media: jsonMedia, body: encode(v)}
}

// formCall posts a form.
func formCall(address string, v url.Values) call {
	return call{url: address, media: formMedia, body: []byte(v.Encode())}
}

// with adds a header.
func (c call) with(name, value string) call {
	header := map[string]string{name: value}
	for n, v := range c.header {
		if n != name {
			header[n] = v
		}
	}
	c.header = header
	return c
}

func (p provider) notifier() Notifier {
	return Notifier{Merge: p.merge, Show: p.show, Send: p.send, List: func(json.RawMessage) int { return p.list },
		Open: func(json.RawMessage) bool { return p.open }}
}

func (p provider) send(ctx context.Context, client *http.Client, s Settings, parcel Parcel) Result {
	v, ok := p.usable(s)
	if !ok {
		return Result{Error: "the stored configuration cannot be read", Refused: true}
	}
	c, err := p.request(v, parcel)
	if err != nil {
		return Result{Error: p.redact(v, err.Error()), Refused: true}
	}
	a, err := c.do(ctx, client)
	if errors.Is(err, errCall) {
		return Result{Error: err.Error(), Refused: true}
	}
	if err != nil {
		return Unreached(err)
	}
	judge := p.judge
	if judge == nil {
		judge = judgeStatus
	}
	r := judge(a)
	r.Error = OneLine(c.redact(p.redact(v, r.Error)), maxError) // in this order: half a secret would not be found
	r.Response = excerpt(a.body, len(a.body) == maxAnswerBytes, func(text string) string { return c.redact(p.redact(v, text)) })
	return r
}

var errCall = errors.New("the stored configuration makes no valid request")

func (c call) do(ctx context.Context, client *http.Client) (answer, error) {
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, errCall // the library's text would quote the URL
	}
	req.Header.Set("User-Agent", userAgent)
	if c.media != "" {
		req.Header.Set("Content-Type", c.media)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes)) // the status decides; what is there of the body explains
	return answer{resp.StatusCode, resp.Header, body, time.Now()}, nil
}

// judgeStatus reads an answer whose body says nothing.
func judgeStatus(a answer) Result {
	return judgeResponse(a.status, a.header.Get("Retry-After"), a.at)
}

// into reads a JSON body, and leaves v alone if it is none.
func (a answer) into(v any) {
	_ = json.Unmarshal(a.body, v)
}

// How much of a provider's own words is repeated, and how much is said in all, in characters.
const (
	maxReason = 200
	maxError  = maxReason + 100
)

// because adds the provider's own words, from a field of its answer that is meant for people. They are cut when secrets have
// been taken out of them.
func (r Result) because(words string) Result {
	if words = OneLine(words, maxAnswerBytes); words != "" && !r.OK {
		r.Error += ": " + words
	}
	return r
}

// after notes when the provider wants to hear of us again, in seconds, if it says so in its own way.
func (r Result) after(seconds float64) Result {
	if r.OK || !(seconds > 0) { // in this form NaN is refused too
		return r
	}
	r.Refused = false
	r.RetryAfter = time.Duration(min(seconds, maxAfterSeconds) * float64(time.Second)).Round(time.Millisecond)
	return r
}

// secondsOf reads a duration as Go and Protocol Buffers write it; 0 means that it is none.
func secondsOf(text string) float64 {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d.Seconds()
}

const maxAfterSeconds = 7 * 24 * 3600 // the service caps it much lower; this keeps it a duration

var errUnguarded = errors.New("this installation has no guarded way out for this type")

// guardedDial is the dialer of a guarded client, for providers that do not speak HTTP.
func guardedDial(client *http.Client) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	t, ok := client.Transport.(*http.Transport)
	if !ok || t.DialContext == nil {
		return nil, errUnguarded
	}
	return t.DialContext, nil
}

// encode writes what cannot fail to be written: texts, numbers and lists and maps of them.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
