package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/internal/egress"
	"github.com/frogstats/uptime/internal/fault"
)

var someTime = time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)

const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWebhookRefuses(t *testing.T) {
	long := strings.Repeat("x", maxURLBytes)
	many := map[string]string{}
	for i := range maxHeaders + 1 {
		many["X-"+strings.Repeat("a", i+1)] = "1"
	}
	tooMany, err := json.Marshal(map[string]any{"url": "https://e/", "headers": many})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ given, field string }{
		{`{}`, "url"},
		{`{"url": null}`, "url"},
		{`{"url": 7}`, "url"},
		{`{"url": "example.com/hook"}`, "url"},
		{`{"url": "/hook"}`, "url"},
		{`{"url": "ftp://example.com/"}`, "url"},
		{`{"url": "file:///etc/passwd"}`, "url"},
		{`{"url": "https:///hook"}`, "url"},
		{`{"url": "https:hook"}`, "url"},
		{`{"url": "https://user@example.com/"}`, "url"},
		{`{"url": "https://user:pass@example.com/"}`, "url"},
		{`{"url": "https://example.com:0/"}`, "url"},
		{`{"url": "https://example.com:65536/"}`, "url"},
		{`{"url": "https://exa mple.com/"}`, "url"},
		{`{"url": "https://e/\n"}`, "url"},
		{`{"url": "https://e/` + long + `"}`, "url"},
		{`{"url": "https://e/", "foo": 1}`, "foo"},
		{`{"url": "https://e/", "Secret": "x"}`, "Secret"},
		{`{"url": "https://e/", "secret": "short"}`, "secret"},
		{`{"url": "https://e/", "secret": 5}`, "secret"},
		{`{"url": "https://e/", "headers": []}`, "headers"},
		{`{"url": "https://e/", "headers": {"X": 1}}`, "headers.X"},
		{`{"url": "https://e/", "headers": {"X": "a\r\nY: b"}}`, "headers.X"},
		{`{"url": "https://e/", "headers": {"X Y": "a"}}`, "headers.X Y"},
		{`{"url": "https://e/", "headers": {"": "a"}}`, "headers."},
		{`{"url": "https://e/", "headers": {"host": "a"}}`, "headers.host"},
		{`{"url": "https://e/", "headers": {"webhook-id": "a"}}`, "headers.webhook-id"},
		{`{"url": "https://e/", "headers": {"X-A": "1", "x-a": "2"}}`, "headers.x-a"},
		{`{"url": "https://e/", "headers": {"X": "***"}}`, "headers.X"},
		{string(tooMany), "headers"},
	} {
		set, made, bad := mergeWebhook(Settings{}, object(t, tt.given))
		if !slices.ContainsFunc(bad, func(f fault.Field) bool { return f.Name == tt.field && f.Message != "" }) || set.Public != nil || made != nil {
			t.Errorf("%.80s: problems %v, want one with %s", tt.given, bad, tt.field)
		}
	}
}

func TestWebhookMerge(t *testing.T) {
	first, made, bad := mergeWebhook(Settings{}, object(t, `{"url": "https://e/1", "headers": {"x-token": "canary", "X-Two": "2"}}`))
	if len(bad) > 0 || len(made) != 1 {
		t.Fatalf("made %v, problems %v", made, bad)
	}
	var sec webhookSecret
	read := func(s Settings) webhookSecret {
		sec = webhookSecret{}
		if err := json.Unmarshal(s.Secret, &sec); err != nil {
			t.Fatal(err)
		}
		return sec
	}
	if read(first).Secret != made["secret"] || sec.Headers["X-Token"] != "canary" {
		t.Errorf("what was made is not what is kept")
	}
	if strings.Contains(string(first.Public), "canary") || strings.Contains(string(first.Public), sec.Secret) {
		t.Errorf("the public half tells: %s", first.Public)
	}
	want := map[string]any{"url": "https://e/1", "has_secret": true, "headers": map[string]any{"X-Token": "***", "X-Two": "***"}}
	if diff := cmp.Diff(want, showWebhook(first.Public)); diff != "" {
		t.Error(diff)
	}
	same, made, bad := mergeWebhook(first, showWebhook(first.Public)) // a read, given back
	if len(bad) > 0 || made != nil || !cmp.Equal(read(same), read(first)) {
		t.Errorf("giving a read back changed something: made %v, problems %v", made, bad)
	}
	moved, made, _ := mergeWebhook(first, object(t, `{"url": "https://e/2"}`))
	if made != nil || !cmp.Equal(read(moved), read(first)) {
		t.Error("the secrets did not survive a change of the URL")
	}
	fewer, _, _ := mergeWebhook(first, object(t, `{"headers": {"X-Token": "***"}}`))
	if diff := cmp.Diff(map[string]string{"X-Token": "canary"}, read(fewer).Headers); diff != "" {
		t.Error(diff)
	}
	none, _, _ := mergeWebhook(first, object(t, `{"headers": null}`))
	if len(read(none).Headers) != 0 {
		t.Error("headers are still there")
	}
	rotated, made, _ := mergeWebhook(first, object(t, `{"secret": null}`))
	if read(rotated).Secret == read(first).Secret || made["secret"] != read(rotated).Secret {
		t.Error("a secret that was taken away was not made anew")
	}
	own, made, _ := mergeWebhook(first, object(t, `{"secret": "`+goodSecret+`"}`))
	if made != nil || read(own).Secret != goodSecret {
		t.Error("the caller's own secret was not taken, or was shown")
	}
	lost, _, bad := mergeWebhook(Settings{Public: json.RawMessage(`{"url":`)}, object(t, `{"url": "https://e/"}`))
	if len(bad) > 0 || read(lost).Secret == "" {
		t.Errorf("damaged settings cannot be replaced: %v", bad)
	}
}

func TestJudgeResponse(t *testing.T) {
	now := someTime
	for _, tt := range []struct {
		status int
		after  string
		want   Result
	}{
		{200, "", Result{OK: true, StatusCode: 200}},
		{299, "", Result{OK: true, StatusCode: 299}},
		{301, "", Result{StatusCode: 301, Refused: true, Error: "the receiver answered 301 Moved Permanently; redirects are not followed"}},
		{400, "5", Result{StatusCode: 400, Refused: true, Error: "the receiver answered 400 Bad Request"}},
		{408, "", Result{StatusCode: 408, Error: "the receiver answered 408 Request Timeout"}},
		{410, "", Result{StatusCode: 410, Refused: true, Error: "the receiver answered 410 Gone"}},
		{425, "", Result{StatusCode: 425, Error: "the receiver answered 425 Too Early"}},
		{429, "7", Result{StatusCode: 429, RetryAfter: 7 * time.Second, Error: "the receiver answered 429 Too Many Requests"}},
		{500, "7", Result{StatusCode: 500, Error: "the receiver answered 500 Internal Server Error"}},
		{503, now.Add(90 * time.Second).Format(http.TimeFormat), Result{StatusCode: 503, RetryAfter: 90 * time.Second, Error: "the receiver answered 503 Service Unavailable"}},
		{503, now.Add(-time.Hour).Format(http.TimeFormat), Result{StatusCode: 503, Error: "the receiver answered 503 Service Unavailable"}},
		{503, "soon", Result{StatusCode: 503, Error: "the receiver answered 503 Service Unavailable"}},
		{503, "-5", Result{StatusCode: 503, Error: "the receiver answered 503 Service Unavailable"}},
		{599, "", Result{StatusCode: 599, Error: "the receiver answered 599"}},
	} {
		if diff := cmp.Diff(tt.want, judgeResponse(tt.status, tt.after, now)); diff != "" {
			t.Errorf("%d %q (-want +got):\n%s", tt.status, tt.after, diff)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sun, 06 Nov 1994 08:49:37 GMT")
	f.Fuzz(func(t *testing.T, text string) {
		if d := parseRetryAfter(text, someTime); d < 0 {
			t.Errorf("%q is %s", text, d)
		}
	})
}

func webhookSettings(t *testing.T, url, headers string) Settings {
	t.Helper()
	s, _, bad := mergeWebhook(Settings{}, object(t, `{"url": "`+url+`", "secret": "`+goodSecret+`", "headers": `+headers+`}`))
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	return s
}

func TestSendWebhook(t *testing.T) {
	parcel := Parcel{ID: "msg_1", At: time.Unix(1614265330, 0), Body: []byte(`{"test": 2432232314}`)}
	got := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != string(parcel.Body) {
			t.Errorf("body = %q, %v", body, err)
		}
		got <- r
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20))) // more than the sender reads
	}))
	defer srv.Close()
	client := (&egress.Policy{Mode: egress.Private}).HTTPClient(egress.HTTPOptions{})
	defer client.CloseIdleConnections()
	res := sendWebhook(t.Context(), client, webhookSettings(t, srv.URL+"/hook?x=1", `{"X-Token": "canary"}`), parcel)
	if !res.OK || res.StatusCode != 200 || res.Error != "" {
		t.Fatalf("result = %+v", res)
	}
	r := <-got
	key, err := secretKey(goodSecret)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"webhook-id": "msg_1", "webhook-timestamp": "1614265330", "X-Token": "canary", "Content-Type": "application/json",
		"webhook-signature": sign(key, "msg_1", parcel.At, parcel.Body), "User-Agent": webhookUserAgent,
	}
	for name, value := range want {
		if r.Header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, r.Header.Get(name), value)
		}
	}
	if r.Method != http.MethodPost || r.URL.String() != "/hook?x=1" {
		t.Errorf("%s %s", r.Method, r.URL)
	}
}

func TestSendWebhookFaults(t *testing.T) {
	redirect := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/", http.StatusFound))
	defer redirect.Close()
	tlsOnly := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsOnly.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	tlsOnly.StartTLS()
	defer tlsOnly.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	rude := listen(t, func(c net.Conn) {
		_, _ = bufio.NewReader(c).ReadString('\n')
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	babble := listen(t, func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-x\r\n\r\n")) })
	for _, tt := range []struct {
		name, url string
		want      Result
	}{
		{"redirect", redirect.URL, Result{StatusCode: 302, Refused: true, Error: "the receiver answered 302 Found; redirects are not followed"}},
		{"refused", closed.URL, Result{Error: "the receiver refused the connection"}},
		{"not allowed", "http://169.254.169.254/", Result{Refused: true, Error: "the receiver's address is not allowed here (cloud metadata)"}},
		{"certificate", tlsOnly.URL, Result{Error: "the receiver's certificate is not valid"}},
		{"cut", rude, Result{Error: "the receiver cut the connection"}},
		{"silent", silent, Result{Error: "the receiver did not answer in time"}},
		{"not HTTP", babble, Result{Error: "the receiver could not be reached or did not speak HTTP"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			client := (&egress.Policy{Mode: egress.Private}).HTTPClient(egress.HTTPOptions{})
			defer client.CloseIdleConnections()
			got := sendWebhook(ctx, client, webhookSettings(t, tt.url, `{"X-Token": "canary"}`), Parcel{ID: "msg_1", At: someTime})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
	for name, s := range map[string]Settings{
		"damaged": {Public: json.RawMessage(`{`), Secret: json.RawMessage(`{}`)},
		"no key":  {Public: json.RawMessage(`{"url":"https://e/"}`), Secret: json.RawMessage(`{}`)},
	} {
		if got := sendWebhook(t.Context(), http.DefaultClient, s, Parcel{}); !got.Refused || got.Error == "" {
			t.Errorf("%s: result = %+v", name, got)
		}
	}
}

// listen serves each connection with handle and closes it; it returns the URL.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String() + "/"
}

func TestTransportFault(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{IsNotFound: true}, "the receiver's name does not exist"},
		{&net.DNSError{IsTimeout: true}, "the receiver's name could not be looked up"},
		{syscall.EHOSTUNREACH, "there is no way to the receiver's address"},
		{syscall.ENETUNREACH, "there is no way to the receiver's address"},
		{os.ErrDeadlineExceeded, "the receiver did not answer in time"},
		{io.ErrUnexpectedEOF, "the receiver could not be reached or did not speak HTTP"},
	} {
		got := Unreached(fmt.Errorf("post https://e/?key=canary: %w", tt.err))
		if diff := cmp.Diff(Result{Error: tt.want}, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.err, diff)
		}
	}
}
