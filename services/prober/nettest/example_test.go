package nettest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/frogstats/uptime/services/prober/nettest"
)

func ExampleTCPTest() {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // stands for db.example.com:5432
	if err != nil {
		panic(err)
	}
	defer listener.Close()

	tcpTest := &nettest.TCPTest{}
	config := nettest.TestConfig{
		Name:     "Database Connection",
		Address:  listener.Addr().String(),
		Timeout:  5 * time.Second,
		Protocol: "TCP",
	}
	result, err := tcpTest.Execute(context.Background(), config)
	fmt.Println(result.EndpointID, result.Status, result.IPFamily(), err)
	// Output: Database Connection success ipv4 <nil>
}

func ExampleTCPTest_refused() {
	result, err := (&nettest.TCPTest{}).Execute(context.Background(), nettest.TestConfig{
		Address: "127.0.0.1:1", Timeout: time.Second,
	})
	fmt.Println(result.Status, result.ErrorType, result.FailedPhase)
	fmt.Println(errors.Is(err, nettest.ErrConnectionRefused))
	fmt.Println(result.Error)
	// Output:
	// failure connection_refused connect
	// true
	// 127.0.0.1:1 refused the connection: check that the service runs and listens on this port
}

func ExampleHTTPTest() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/home", http.StatusFound)
			return
		}
		fmt.Fprint(w, "welcome")
	}))
	defer site.Close()

	result, err := (&nettest.HTTPTest{}).Execute(context.Background(), nettest.TestConfig{
		Name:    "site",
		Address: site.URL,
		Timeout: 5 * time.Second,
		Config: nettest.HTTPConfig{
			FollowRedirects: true,
			Expect: func(r *nettest.TestResult) []string {
				if string(r.Body) != "welcome" {
					return []string{"the page does not welcome"}
				}
				return nil
			},
		},
	})
	fmt.Println(result.Status, result.StatusCode, len(result.Redirects), result.ResponseSize, err)
	fmt.Println(result.Phases.TTFB.Valid, result.Phases.TLS.Valid)
	// Output:
	// success 200 1 7 <nil>
	// true false
}

func ExampleTLSTest() {
	site := httptest.NewTLSServer(http.NotFoundHandler()) // stands for www.example.com
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())

	result, err := (&nettest.TLSTest{}).Execute(context.Background(), nettest.TestConfig{
		Name:    "certificate",
		Address: site.Listener.Addr().String(),
		Timeout: 5 * time.Second,
		Config:  nettest.TLSConfig{TLS: nettest.TLSOptions{RootCAs: roots}},
	})
	cert := result.Certificates[0]
	fmt.Println(result.Status, result.TLSVersion, err)
	fmt.Println(cert.Valid, cert.Trusted, cert.NameMatches, cert.NotAfter.Year(), cert.Names)
	// Output:
	// success 1.3 <nil>
	// true true true 2084 [example.com *.example.com 127.0.0.1 ::1]
}

// The certificate of a mail server, after STARTTLS.
func ExampleTLSTest_startTLS() {
	result, err := (&nettest.TLSTest{}).Execute(context.Background(), nettest.TestConfig{
		Address: "mail.example.com:25",
		Config: nettest.TLSConfig{
			StartTLS: nettest.StartTLSAuto, // by the port: smtp
			TLS:      nettest.TLSOptions{Revocation: nettest.RevocationOnline},
		},
	})
	switch {
	case errors.Is(err, nettest.ErrCertificateExpired):
		fmt.Println("renew it:", result.Error)
	case errors.Is(err, nettest.ErrProtocol):
		fmt.Println("no STARTTLS:", result.Error)
	case err == nil:
		fmt.Println("lasts until", result.Certificates[0].ChainExpiresAt)
	}
}

// noLoopback forbids what a tenant's monitor must not reach.
type noLoopback struct{}

func (noLoopback) Check(addr netip.Addr) error {
	if addr.IsLoopback() {
		return errors.New("loopback")
	}
	return nil
}

func ExampleNetwork() {
	network := &nettest.Network{Policy: noLoopback{}}
	result, err := (&nettest.HTTPTest{Network: network}).Execute(context.Background(), nettest.TestConfig{
		Address: "http://localhost:8080/admin", Timeout: time.Second,
	})
	fmt.Println(result.Status, errors.Is(err, nettest.ErrEgressDenied))
	// Output: error true
}
