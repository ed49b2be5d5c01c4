package prober

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	"github.com/frogstats/uptime/internal/bubbletest"
	"github.com/frogstats/uptime/internal/fault"
	"github.com/frogstats/uptime/internal/rpc/rpctest"
)

// examined runs a check that fails, and the examination of it.
func examined(t *testing.T, spec *checkv1.CheckSpec) *eventsv1.RecordEvidenceRequest {
	t.Helper()
	checker := NewChecker(nil, nil)
	c, err := checker.prepare(spec)
	if err != nil {
		t.Fatal(err)
	}
	r := &checkv1.CheckResult{MonitorId: 7, OrganizationId: "org-1", Region: "eu", ProberId: "p1", MonitorType: spec.GetMonitorType(), MonitorName: "m"}
	left := c.(explaining).explained(t.Context(), r, false)
	if left == nil {
		t.Fatalf("the check did not blame its target: %v", r)
	}
	var got *eventsv1.RecordEvidenceRequest
	x, err := newExaminer(checker.network, nil, func(req *eventsv1.RecordEvidenceRequest) { got = req })
	if err != nil {
		t.Fatal(err)
	}
	x.examine(t.Context(), inquiry{left, r})
	if got == nil {
		t.Fatal("nothing was sent")
	}
	return got
}

func aRequest(url, method string) *checkv1.CheckSpec {
	return &checkv1.CheckSpec{MonitorType: checkv1.MonitorType_MONITOR_TYPE_HTTP, HttpConfig: &checkv1.HttpConfig{
		Url: proto.String(url), Method: proto.String(method), TimeoutMs: proto.Int32(2000),
	}}
}

func TestEvidenceOfAnHTTPFailure(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("X-Why", "database")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "the database is away\n")
	}))
	defer server.Close()
	got := examined(t, aRequest(server.URL, "GET"))
	if got.GetCause() != causeServerError || asked.Load() != 2 {
		t.Errorf("%v after %d requests: %s", got.GetCause(), asked.Load(), got.GetSummary())
	}
	first := got.GetFirstFailure()
	if first.GetStatusCode() != 503 || first.GetResponseHeaders()["X-Why"] != "database" || len(first.GetDetails().GetAddresses()) != 1 || first.TcpNs == nil {
		t.Errorf("first failure %v", first)
	}
	if b := got.GetBody(); b.GetText() != "the database is away\n" || b.GetTruncated() || b.GetSizeBytes() != 21 {
		t.Errorf("body %v", b)
	}
	var kinds []string
	for _, s := range got.GetSteps() {
		kinds = append(kinds, strings.TrimPrefix(s.GetKind().String(), "EVIDENCE_STEP_KIND_"))
	}
	if strings.Join(kinds, " ") != "CONNECT HTTP" {
		t.Errorf("steps %v", kinds)
	}
}

// TestEvidenceRepeatsNothingThatChanges: a POST is not made again.
func TestEvidenceRepeatsNothingThatChanges(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	got := examined(t, aRequest(server.URL, "POST"))
	if asked.Load() != 1 || got.GetCause() != causeServerError {
		t.Errorf("%v after %d requests", got.GetCause(), asked.Load())
	}
	last := got.GetSteps()[len(got.GetSteps())-1]
	if last.GetOutcome() != eventsv1.EvidenceOutcome_EVIDENCE_OUTCOME_SKIPPED || !strings.Contains(last.GetDetail(), "POST") {
		t.Errorf("last step %v", last)
	}
}

func TestEvidenceOfAClosedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	got := examined(t, &checkv1.CheckSpec{MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{
		Host: proto.String("127.0.0.1"), Port: proto.Int32(int32(port)), TimeoutMs: proto.Int32(1000),
	}})
	if got.GetCause() != causePortClosed || !strings.Contains(got.GetSummary(), fmt.Sprint(port)) || got.GetBody() != nil {
		t.Errorf("%v: %s, body %v", got.GetCause(), got.GetSummary(), got.GetBody())
	}
}

func TestEvidenceOfACertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler()) // of no authority that anybody knows
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer server.Close()
	got := examined(t, aRequest(server.URL, "GET"))
	if got.GetCause() != causeCertificate {
		t.Errorf("%v: %s", got.GetCause(), got.GetSummary())
	}
	certificates := got.GetFirstFailure().GetDetails().GetCertificates()
	if len(certificates) != 1 || certificates[0].GetTrusted() || len(certificates[0].GetProblems()) == 0 {
		t.Errorf("certificates %v", certificates)
	}
}

// TestEvidenceOfShortTrouble: what works again when it is examined was short.
func TestEvidenceOfShortTrouble(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	if got := examined(t, aRequest(server.URL, "GET")); got.GetCause() != causeRecovered {
		t.Errorf("%v: %s", got.GetCause(), got.GetSummary())
	}
}

// TestEvidenceHoldsNoSecret has a target that repeats all that it was told, in every form in which texts quote texts.
func TestEvidenceHoldsNoSecret(t *testing.T) {
	const password, header, cookie, query, proxied = `pa"ss\w/ord<1>`, "header-0815-secret", "cookie-0815-secret", "query-0815-secret", "session-0815-secret"
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + password))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization")+" "+r.Header.Get("X-Api-Key"))
		w.Header().Set("Location", "https://elsewhere.example/?token="+query)
		w.Header().Set("Set-Cookie", "id="+proxied)
		w.Header().Set("X-Debug", r.URL.RawQuery+" "+r.Header.Get("Cookie"))
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"authorization": %q, "password": %q, "html": "pa&#34;ss\w/ord&lt;1&gt;", "url": %q, "cookie": %q, "key": %q}`,
			r.Header.Get("Authorization"), password, r.URL.String(), r.Header.Get("Cookie"), r.Header.Get("X-Api-Key"))
	}))
	defer server.Close()
	spec := aRequest(server.URL+"/path?page=1&token="+query, "GET")
	spec.HttpConfig.Headers = map[string]string{"X-Api-Key": header, "Cookie": "a=1; session=" + cookie}
	spec.HttpConfig.Auth = &checkv1.HttpAuth{Type: checkv1.AuthType_AUTH_TYPE_BASIC.Enum(), Credentials: &checkv1.HttpCredentials{
		Username: proto.String("user"), Password: proto.String(password),
	}}
	got := examined(t, spec)
	text := prototext.Format(got)
	for _, part := range []string{password, `pa\"ss`, "ss\\w", "pa&#34;ss", basic, header, cookie, query, proxied} {
		if strings.Contains(text, part) || strings.Contains(got.GetBody().GetText(), part) {
			t.Errorf("%q stands in\n%s", part, text)
		}
	}
	for _, kept := range []string{"/path?***", "html", "X-Echo"} {
		if !strings.Contains(text, kept) {
			t.Errorf("%q is missing from\n%s", kept, text)
		}
	}
	if got.GetRegion() != "eu" || got.GetFirstFailure().GetMonitorId() != 7 || got.GetFirstFailure().GetErrorType() != "validation_failed" {
		t.Errorf("what names it was changed: %v", got)
	}
}

func TestEvidenceBodies(t *testing.T) {
	hide := &redactor{}
	hide.add("secret-0815")
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, body)
		}
	}
	long := strings.Repeat("é", 40_000)
	for name, tt := range map[string]struct {
		body      string
		text      string
		truncated bool
	}{
		"nothing":           {"", "", false},
		"text":              {"hello <script>\n", "hello <script>\n", false},
		"control":           {"a line of words\x1b[31mb\r\nc", "a line of words[31mb\nc", false},
		"long":              {long, long[:4096], true},
		"binary":            {"\x89PNG\x00\x01\x02", "", true},
		"not UTF-8":         {"abc\xff\xfe", "", true},
		"cut in the middle": {strings.Repeat("x", evidenceSource-1) + "é" + long, strings.Repeat("x", 4096), true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer(tt.body))
			defer server.Close()
			got := examined(t, aRequest(server.URL, "GET")).GetBody()
			if got.GetText() != tt.text || got.GetTruncated() != tt.truncated || got.GetSizeBytes() != uint64(len(tt.body)) {
				t.Errorf("%d bytes of text, truncated %v, of %d", len(got.GetText()), got.GetTruncated(), got.GetSizeBytes())
			}
			if got != nil && got.GetBinary() != (got.Text == nil) {
				t.Errorf("binary %v, text %v", got.GetBinary(), got.Text != nil)
			}
		})
	}
}

// TestExaminerStaysSmall: of thousands that fail together a handful is examined, and of one that flaps not every failure.
func TestExaminerStaysSmall(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		x, err := newExaminer(NewChecker(nil, nil).network, nil, func(*eventsv1.RecordEvidenceRequest) {})
		if err != nil {
			t.Fatal(err)
		}
		for id := range uint32(5000) {
			x.offer(nil, &checkv1.CheckResult{MonitorId: id + 1})
		}
		if len(x.queue) != examineQueue || x.leftOut.Load() != 5000-examineQueue {
			t.Errorf("%d wait, %d were left out", len(x.queue), x.leftOut.Load())
		}
		for range examineQueue {
			<-x.queue
		}
		taken := 0
		for range 3 * 60 { // one that flaps every second for three minutes
			x.offer(nil, &checkv1.CheckResult{MonitorId: 9999})
			if len(x.queue) == 1 {
				taken++
				<-x.queue
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
		}
		if taken != 3 {
			t.Errorf("it was taken %d times, want once a minute", taken)
		}
		for id := range uint32(5000) {
			x.offer(nil, &checkv1.CheckResult{MonitorId: 10_000 + id})
			select {
			case <-x.queue:
				taken++
			default:
			}
		}
		if taken > 3+examineBurst {
			t.Errorf("%d were taken at once", taken)
		}
		if len(x.lately) > examineBurst+1+int(examineRate*examineAgain.Seconds()) {
			t.Errorf("%d monitors are remembered", len(x.lately))
		}
	})
}

// evidenceTaker is an events service.
type evidenceTaker struct {
	eventsv1.UnimplementedRecorderServiceServer
	asked atomic.Int32
	err   func(n int32) error
}

func (e *evidenceTaker) RecordEvidence(ctx context.Context, req *eventsv1.RecordEvidenceRequest) (*eventsv1.RecordEvidenceResponse, error) {
	n := e.asked.Add(1)
	if e.err == nil {
		return e.UnimplementedRecorderServiceServer.RecordEvidence(ctx, req)
	}
	return &eventsv1.RecordEvidenceResponse{}, e.err(n)
}

func TestEvidenceLink(t *testing.T) {
	tests := map[string]struct {
		err          func(n int32) error
		asked        int32
		stored, lost int64
	}{
		"takes it":                          {func(int32) error { return nil }, 3, 3, 0},
		"knows nothing of it":               {nil, 1, 0, 3},
		"lets it not through":               {func(int32) error { return fault.Denied("no") }, 1, 0, 3},
		"refuses it":                        {func(int32) error { return fault.Invalid("no") }, 3, 0, 3},
		"is away for a moment":              {func(n int32) error { return pick(n < 3, fault.Unavailable("away"), nil) }, 5, 3, 0},
		"is away for longer than its waits": {func(int32) error { return fault.Unavailable("away") }, 0, 0, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubbletest.Test(t, func(t *testing.T) {
				taker := &evidenceTaker{err: tt.err}
				conn := rpctest.Conn(t, "events", func(s grpc.ServiceRegistrar) { eventsv1.RegisterRecorderServiceServer(s, taker) }, rpctest.Client(asProber))
				l := newEvidenceLink(conn, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); l.run(ctx) }()
				for range 3 {
					l.send(&eventsv1.RecordEvidenceRequest{
						ProberId: "p1", Region: "eu", Summary: "s", Cause: causeSlow, ExaminedAt: stampOf(1),
						FirstFailure: &checkv1.CheckResult{MonitorId: 1, Region: "eu", ScheduledAt: stampOf(1), StartedAt: stampOf(1), Status: checkv1.ResultStatus_RESULT_STATUS_FAILURE},
					})
					synctest.Wait()
				}
				time.Sleep(30 * time.Minute) //nolint:forbidigo // the bubble's clock, not ours
				if l.stored.Load() != tt.stored || l.lost.Load() != tt.lost || tt.asked != 0 && taker.asked.Load() != tt.asked {
					t.Errorf("%d stored, %d lost, asked %d times", l.stored.Load(), l.lost.Load(), taker.asked.Load())
				}
				cancel()
				<-ended
			})
		})
	}
}

func pick(condition bool, yes, no error) error {
	if condition {
		return yes
	}
	return no
}

func TestPublicNames(t *testing.T) {
	for name, want := range map[string]bool{
		"example.com": true, "www.example.co.uk": true, "db": false, "db.internal": false, "printer.local": false, "nas.home.arpa": false,
		"a.test": false, "localhost": false, "X.LAN": false,
	} {
		if publicName(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestSecondResolversAreRead(t *testing.T) {
	if _, err := newExaminer(nil, []string{"9.9.9.9", "dns.example.com"}, nil); err == nil || !strings.Contains(err.Error(), "second resolver dns.example.com") {
		t.Errorf("a name is taken for a resolver: %v", err)
	}
	if x, err := newExaminer(nil, []string{}, nil); err != nil || x.second != nil {
		t.Errorf("no resolvers are %v, %v", x, err)
	}
}
