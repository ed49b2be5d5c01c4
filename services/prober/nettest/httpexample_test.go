package nettest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

func ExampleHTTPTest_Prepare() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") }))
	defer site.Close()

	check, err := (&nettest.HTTPTest{}).Prepare(nettest.TestConfig{Name: "site", Address: site.URL, Timeout: 5 * time.Second})
	if err != nil {
		panic(err) // the configuration is wrong
	}
	for range 3 { // once per minute, say
		result, _ := check.Execute(context.Background())
		fmt.Println(result.Status, result.StatusCode, result.HTTPVersion)
	}
	// Output:
	// success 200 HTTP/1.1
	// success 200 HTTP/1.1
	// success 200 HTTP/1.1
}

func ExampleHTTPConfig_version() {
	old := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // HTTP/1.1 only
	defer old.Close()

	for _, version := range []nettest.HTTPVersion{nettest.HTTP1, nettest.HTTP2} {
		result, err := (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
			Address: old.URL, Timeout: 5 * time.Second, Config: nettest.HTTPConfig{Version: version},
		})
		fmt.Printf("%s: %s %s, %v\n", version, result.Status, result.HTTPVersion, errors.Is(err, nettest.ErrProtocol))
	}
	// Output:
	// 1.1: success HTTP/1.1, false
	// 2: failure , true
}

func ExampleProxy() {
	// A proxy that resolves intranet.test, which nobody else can.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				body := "you asked for " + request.RequestURI
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
			_ = conn.Close()
		}
	}()

	result, err := (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
		Address: "http://intranet.test/health", Timeout: 5 * time.Second,
		Config: nettest.HTTPConfig{Proxy: &nettest.Proxy{URL: "http://" + listener.Addr().String()}},
	})
	fmt.Println(result.Status, string(result.Body), result.ResolvedIP, err)
	// Output: success you asked for http://intranet.test/health 127.0.0.1 <nil>
}

func ExampleProxy_refused() {
	_, err := (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
		Address: "https://example.com/", Timeout: 5 * time.Second,
		Config: nettest.HTTPConfig{Proxy: &nettest.Proxy{URL: "socks5://127.0.0.1:1"}},
	})
	fmt.Println(errors.Is(err, nettest.ErrProxy))
	fmt.Println(err)
	// Output:
	// true
	// The proxy 127.0.0.1:1 could not be used: check that it runs, and the settings for it (it refused the connection)
}

func ExampleAuth_digest() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), `Digest username="frog"`) {
			w.Header().Set("WWW-Authenticate", `Digest realm="pond", qop="auth", algorithm=SHA-256, nonce="once"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer site.Close()

	result, err := (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
		Address: site.URL, Timeout: 5 * time.Second,
		Config: nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthDigest, Username: "frog", Password: "secret"}},
	})
	fmt.Println(result.StatusCode, err)
	// Output: 200 <nil>
}

func ExampleOAuth2() {
	granted := 0
	identity := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		granted++
		_, _ = io.WriteString(w, `{"access_token": "abc", "token_type": "Bearer", "expires_in": 3600}`)
	}))
	defer identity.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"))
	}))
	defer api.Close()

	test := &nettest.HTTPTest{Network: &nettest.Network{}}
	for range 2 {
		result, err := test.Execute(context.Background(), nettest.TestConfig{
			Address: api.URL, Timeout: 5 * time.Second,
			Config: nettest.HTTPConfig{Auth: nettest.Auth{Type: nettest.AuthOAuth2, OAuth2: &nettest.OAuth2{
				TokenURL: identity.URL + "/token", ClientID: "uptime", ClientSecret: "secret", Scopes: []string{"health"},
			}}},
		})
		fmt.Println(string(result.Body), len(result.Warnings), err)
	}
	fmt.Println("tokens granted:", granted)
	// Output:
	// Bearer abc 1 <nil>
	// Bearer abc 0 <nil>
	// tokens granted: 1
}

func ExampleTestResult_SecurityFacts() {
	result := &nettest.TestResult{
		FinalURL: "https://example.com/",
		Headers: []nettest.HeaderField{
			{Name: "Strict-Transport-Security", Value: "max-age=31536000; includeSubDomains"},
			{Name: "X-Frame-Options", Value: "SAMEORIGIN"},
		},
	}
	facts := result.SecurityFacts()
	fmt.Println(facts.HSTS.MaxAge, facts.HSTS.IncludeSubDomains, facts.HSTS.Preload)
	fmt.Println(facts.FrameOptions, facts.NoSniff, facts.CSP)
	// Output:
	// 8760h0m0s true false
	// SAMEORIGIN false false
}
