package nettest_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/frogstats/uptime/services/prober/nettest"
)

// seen is what two clients must agree upon.
type seen struct {
	Failed    bool
	Status    int
	Headers   []string // sorted lines, names in lower case
	Body      string   // decoded
	FinalPath string
	Redirects []string
}

func seenBy(r *nettest.TestResult, err error) seen {
	if err != nil {
		return seen{Failed: true}
	}
	o := seen{Status: r.StatusCode, Body: string(r.Body), FinalPath: path(r.FinalURL)}
	for _, f := range r.Headers {
		o.addHeader(f.Name, f.Value)
	}
	for _, hop := range r.Redirects {
		o.Redirects = append(o.Redirects, fmt.Sprint(hop.StatusCode, " ", path(hop.URL)))
	}
	slices.Sort(o.Headers)
	return o
}

func (o *seen) addHeader(name, value string) {
	switch name = strings.ToLower(name); name {
	case "date", "connection", "content-length", "transfer-encoding", "trailer": // of the transport; net/http takes them off
	default:
		o.Headers = append(o.Headers, name+": "+value)
	}
}

// path is a URL without its origin, which differs between servers, and without
// its fragment, which net/http does not hand on (RFC 9110, section 10.2.2).
func path(u string) string {
	u, _, _ = strings.Cut(u, "#")
	_, rest, _ := strings.Cut(u, "//")
	_, rest, _ = strings.Cut(rest, "/")
	return "/" + rest
}

// reference makes the same request with net/http.
func reference(t *testing.T, trust *tls.Config, version2 bool, u string, own nettest.HTTPConfig) seen {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: version2, DisableCompression: true}
	defer transport.CloseIdleConnections()
	var o seen
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Transport: transport, Jar: jar, Timeout: 5 * time.Second, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if !own.FollowRedirects {
			return http.ErrUseLastResponse
		}
		o.Redirects = append(o.Redirects, fmt.Sprint(req.Response.StatusCode, " ", path(req.URL.String())))
		return nil
	}}
	method := own.Method
	if method == "" {
		method = "GET"
	}
	req, err := http.NewRequest(method, u, strings.NewReader(own.Body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	req.Header.Set("User-Agent", nettest.DefaultUserAgent)
	req.Header.Set("Accept", "*/*")
	resp, err := client.Do(req)
	if err != nil {
		return seen{Failed: true}
	}
	defer resp.Body.Close()
	body, err := decodeReference(resp)
	if err != nil {
		return seen{Failed: true}
	}
	o.Status, o.Body, o.FinalPath = resp.StatusCode, string(body), path(resp.Request.URL.String())
	for name, values := range resp.Header {
		for _, v := range values {
			o.addHeader(name, v)
		}
	}
	slices.Sort(o.Headers)
	return o
}

func decodeReference(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(resp.Body)
	codings := strings.Split(resp.Header.Get("Content-Encoding"), ", ")
	for _, coding := range slices.Backward(codings) {
		if err != nil || len(body) == 0 {
			return body, err
		}
		var layer io.Reader = bytes.NewReader(body)
		switch coding {
		case "gzip":
			layer, err = gzip.NewReader(layer)
		case "deflate":
			layer, err = zlib.NewReader(layer)
		case "br":
			layer = brotli.NewReader(layer)
		case "zstd":
			var d *zstd.Decoder
			if d, err = zstd.NewReader(layer); err == nil {
				defer d.Close()
				layer = d
			}
		}
		if err == nil {
			body, err = io.ReadAll(layer)
		}
	}
	return body, err
}
