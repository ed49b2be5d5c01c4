package monitors

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/events/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// drawConfig makes a configuration that is valid, in canonical form, and sets about half of what it may.
func drawConfig(t *rapid.T) (Config, Secrets) {
	coin := func(what string) bool { return rapid.Bool().Draw(t, what) }
	c := Config{
		Name: rapid.StringMatching(`[a-zü]{1,10}`).Draw(t, "name"), Type: TypeHTTP, Interval: Seconds(rapid.IntRange(1, 86400).Draw(t, "interval")),
		Enabled: coin("enabled"), Rules: []Rule{}, Regions: []string{"local", "eu"}[:rapid.IntRange(1, 2).Draw(t, "regions")],
		Retries:     Retries{Attempts: rapid.Int32Range(1, 10).Draw(t, "attempts"), Delay: Millis(rapid.IntRange(0, 60000).Draw(t, "delay"))},
		ConfirmDown: rapid.Int32Range(1, 10).Draw(t, "down"), ConfirmUp: rapid.Int32Range(1, 10).Draw(t, "up"),
		Overlap: rapid.SampledFrom([]Overlap{OverlapSkip, OverlapParallel}).Draw(t, "overlap"),
		Quorum:  rapid.SampledFrom([]string{"any", "majority", "all", "1"}).Draw(t, "quorum"), Labels: map[string]string{},
	}
	if coin("cron") {
		c.Interval, c.Cron = 0, rapid.SampledFrom([]string{"* * * * *", "*/7 1-5 * * MON 30"}).Draw(t, "expression")
		c.Timezone = rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin"}).Draw(t, "zone")
	}
	if coin("optional") {
		c.RetryInterval, c.DegradedAbove, c.ExternalID, c.ManagedBy = 7, 900, "e", "tool"
		c.DependsOn = []uint32{3, 1}
		c.Labels["k"] = "v"
	}
	if coin("dns") {
		c.DNS = &DNSConfig{MaxTTL: Seconds(rapid.SampledFrom([]int{0, 60, 86400}).Draw(t, "ttl"))}
		c.DNS.Servers = rapid.SampledFrom([][]string{nil, {"192.0.2.1"}, {"2001:db8::1", "[2001:db8::1]:5353", "192.0.2.1:5353"}}).Draw(t, "servers")
	}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		c.Rules = append(c.Rules, Rule{Type: RuleResponseTime, Operator: OpLessThan, Value: rapid.Float64Range(1, 1e6).Draw(t, "limit")})
	}
	if coin("tcp") {
		c.Type = TypeTCP
		c.TCP = &TCPConfig{Host: rapid.SampledFrom([]string{"h", "::1", "10.0.0.1"}).Draw(t, "host"), Port: 5, Timeout: 100, IPVersion: "ipv4"}
		c.TCP.SendData, c.TCP.Banner = rapid.SampledFrom([]string{"", "PING\r\n"}).Draw(t, "data"), coin("banner")
		if c.TCP.TLS = coin("tls"); !c.TCP.TLS {
			return c, Secrets{}
		}
		c.TCP.StartTLS = rapid.SampledFrom([]string{"", "none", "auto", "postgres", "ldap"}).Draw(t, "starttls")
		var s Secrets
		c.TCP.TLSOptions, s.ClientKey = drawOptions(t)
		return c, s
	}
	if coin("only tls") {
		c.Type = TypeTLS
		c.TLS = &TLSConfig{Host: "h", Port: rapid.SampledFrom([]int32{443, 465}).Draw(t, "port"), Timeout: 100, IPVersion: "any"}
		c.TLS.StartTLS = rapid.SampledFrom([]string{"", "smtp", "none"}).Draw(t, "starttls")
		c.Rules = append(c.Rules, Rule{Type: RuleCertificateDaysLeft, Operator: OpGreaterThan, Value: 14.0}, Rule{Type: RuleCertificateValid, Operator: OpEquals, Value: true})
		var s Secrets
		c.TLS.Options, s.ClientKey = drawOptions(t)
		return c, s
	}
	s := drawHTTP(t, &c)
	return c, s
}

func drawHTTP(t *rapid.T, c *Config) (s Secrets) {
	c.HTTP = &HTTPConfig{
		URL: "https://example.com/x", Method: rapid.SampledFrom(methods).Draw(t, "method"), Headers: map[string]string{}, Auth: Auth{Type: AuthNone},
		FollowRedirects: rapid.Bool().Draw(t, "follow"), Timeout: Millis(rapid.IntRange(1, 300000).Draw(t, "timeout")), IPVersion: "any",
		MaxRedirects: rapid.Int32Range(0, 50).Draw(t, "redirects"), UserAgent: rapid.SampledFrom([]string{"", "ua"}).Draw(t, "agent"),
	}
	if rapid.Bool().Draw(t, "body") {
		c.HTTP.Body = ptr(rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "text"))
	}
	for _, h := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"Accept", "Authorization", "X-Secret-Thing"}), rapid.ID).Draw(t, "headers") {
		c.HTTP.Headers[h] = "plain"
		if secretHeader(h) {
			if s.Headers == nil {
				s.Headers = map[string]string{}
			}
			c.HTTP.Headers[h], s.Headers[h] = Redacted, rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "value")
		}
	}
	c.HTTP.Version = rapid.SampledFrom([]string{"", "http1", "http2"}).Draw(t, "version")
	c.HTTP.NoCookies = rapid.Bool().Draw(t, "no cookies")
	c.HTTP.TLS, s.ClientKey = drawOptions(t)
	if rapid.Bool().Draw(t, "proxy") {
		c.HTTP.Proxy = &Proxy{URL: "socks5://p.example:1080", Username: rapid.SampledFrom([]string{"", "x"}).Draw(t, "proxy user")}
		if c.HTTP.Proxy.Username != "" {
			s.ProxyPassword = rapid.SampledFrom([]string{"", "y"}).Draw(t, "proxy password")
		}
		c.HTTP.Proxy.HasPassword = s.ProxyPassword != ""
	}
	c.HTTP.Auth.Type = rapid.SampledFrom([]AuthType{AuthNone, AuthBasic, AuthBearer, AuthAPIKey, AuthCustomHeader, AuthDigest, AuthOAuth2}).Draw(t, "auth")
	if c.HTTP.Auth.Type == AuthOAuth2 {
		c.HTTP.Auth.OAuth2 = &OAuth2{TokenURL: "https://id.example/token", ClientID: "c", Scopes: []string{"a"}, InBody: rapid.Bool().Draw(t, "in body")}
	}
	s.Credentials = map[AuthType]*Credentials{
		AuthBasic: {Username: "u", Password: "p"}, AuthBearer: {Token: "t"}, AuthAPIKey: {Value: "v"}, AuthCustomHeader: {Key: "X-K", Value: "v"},
		AuthDigest: {Username: "u", Password: "p"}, AuthOAuth2: {ClientSecret: "c"},
	}[c.HTTP.Auth.Type]
	if rapid.Bool().Draw(t, "body rule") {
		c.Rules = append(c.Rules, Rule{Type: RuleBodyContains, Value: "x", CaseSensitive: ptr(rapid.Bool().Draw(t, "case"))},
			Rule{Type: RuleStatusCode, Operator: OpIn, Value: []any{200.0, 301.0}}, Rule{Type: RuleHeaderExists, Header: "Etag"})
	}
	return s
}

func drawOptions(t *rapid.T) (*TLSOptions, string) {
	o := &TLSOptions{ServerName: rapid.SampledFrom([]string{"", "sni.example"}).Draw(t, "sni"), MinVersion: rapid.SampledFrom([]string{"", "tls10", "tls13"}).Draw(t, "least")}
	key := ""
	switch rapid.IntRange(0, 3).Draw(t, "tls options") {
	case 0:
		return nil, ""
	case 1:
		o.TrustedCAs = []string{TestCertificate}
	case 2:
		o.ClientCertificate, key = TestCertificate, TestKey
	case 3:
		o.Revocation = "online"
	}
	if reflect.DeepEqual(*o, TLSOptions{}) {
		return nil, ""
	}
	return o, key
}

// What a configuration becomes on the wire is what it came from, and valid as it was.
func TestConfigSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, s := drawConfig(t)
		var p problems
		got, gotSecrets := configFromProto(withSecrets(configToProto(c), s), Secrets{}, false, &p)
		got.validate(false, gotSecrets, func(string) bool { return true }, &p)
		if len(p) > 0 {
			t.Fatalf("refused: %+v", p)
		}
		if !reflect.DeepEqual(got, c) {
			t.Fatalf("got %+v\nwant %+v", got, c)
		}
		if !reflect.DeepEqual(gotSecrets, s) {
			t.Fatal("the secrets differ")
		}
	})
}

// An answer that is sent back is the same configuration, and asks for no secret to change.
func TestAnswersCanBeSentBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, s := drawConfig(t)
		m := Monitor{ID: 1, OrganizationID: "o", Config: c, Version: 3, CreatedAt: time.Unix(1, 0), UpdatedAt: time.Unix(2, 0)}
		answer := monitorToProto(m, &eventsv1.MonitorStatus{MonitorId: 1})
		for _, o := range tlsOptionsOf(answer) {
			if o.GetClientKey() != "" {
				t.Fatal("an answer has a client key")
			}
		}
		if answer.GetHttpConfig().GetProxy().GetPassword() != "" {
			t.Fatal("an answer has a proxy's password")
		}
		if h := answer.GetHttpConfig(); h != nil {
			if h.Auth.Credentials != nil {
				t.Fatal("an answer has credentials")
			}
			for name, v := range h.Headers {
				if secretHeader(name) && v != Redacted {
					t.Fatalf("an answer has the value of %s", name)
				}
			}
		}
		paths, err := changedPaths(answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		base := withSecrets(configToProto(c), s)
		merge(base, answer, paths)
		var p problems
		got, gotSecrets := configFromProto(base, s, false, &p)
		got.validate(false, gotSecrets, func(string) bool { return true }, &p)
		got.keepDerived(c)
		if len(p) > 0 || !reflect.DeepEqual(got, c) || !reflect.DeepEqual(gotSecrets, s) {
			t.Fatalf("problems %+v\n got %+v\nwant %+v", p, got, c)
		}
	})
}

// simulate is a prober that is on time: it checks every interval, and after a fault once more when the retry interval is
// over, whichever comes first; a slot that is due while a check runs is skipped. The target answers at once until the time
// down, and from then on every check takes its full time to fail. It returns when the last of confirm faults is known.
// Times are in milliseconds.
func simulate(interval, slot, retry, down int64, confirm int32) int64 {
	for due, faults := int64(0), int32(0); ; {
		end := due
		if due >= down {
			end = due + slot
			if faults++; faults == confirm {
				return end
			}
		}
		grid := (end/interval + 1) * interval // the first slot after the check has ended
		due = grid
		if faults > 0 {
			due = min(grid, end+retry)
		}
	}
}

// The worst case is never exceeded whenever the target fails, and it is reached if no slot of the schedule comes earlier
// than the confirming checks.
func TestWorstCaseDelayAgreesWithASimulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Interval: Seconds(rapid.IntRange(1, 120).Draw(t, "interval")), ConfirmDown: rapid.Int32Range(1, 6).Draw(t, "confirm"),
			RetryInterval: Seconds(rapid.IntRange(0, 60).Draw(t, "retry")),
			TCP:           &TCPConfig{Timeout: Millis(rapid.IntRange(1, 60000).Draw(t, "timeout"))},
			Retries:       Retries{Attempts: rapid.Int32Range(1, 3).Draw(t, "attempts"), Delay: Millis(rapid.IntRange(0, 2000).Draw(t, "delay"))},
		}
		interval, slot, retry := c.Gap().Milliseconds(), c.SlotTime().Milliseconds(), c.RetryEvery().Milliseconds()
		want := c.WorstCaseDelay().Milliseconds()
		var longest int64
		for _, down := range []int64{1, 1 + rapid.Int64Range(0, interval-1).Draw(t, "down"), interval} {
			longest = max(longest, simulate(interval, slot, retry, down, c.ConfirmDown)-down)
		}
		if longest > want {
			t.Fatalf("took %d ms, worst case is said to be %d ms", longest, want)
		}
		confirming := int64(c.ConfirmDown-1) * (slot + retry)
		if c.ConfirmDown == 1 || confirming < interval { // all checks lie before the next slot
			if longest != want-1 { // the target failed one millisecond after a check
				t.Fatalf("took at most %d ms, worst case is said to be %d ms", longest, want)
			}
		}
	})
}

func TestWorstCaseDelay(t *testing.T) {
	tests := []struct {
		c    Config
		want time.Duration
	}{
		{Config{Interval: 30, ConfirmDown: 1, TCP: &TCPConfig{Timeout: 10_000}}, 40 * time.Second},
		{Config{Interval: 30, ConfirmDown: 2, TCP: &TCPConfig{Timeout: 10_000}}, 60 * time.Second},
		{Config{Interval: 30, ConfirmDown: 2, RetryInterval: 300, TCP: &TCPConfig{Timeout: 10_000}}, 80 * time.Second},
		{Config{Interval: 60, ConfirmDown: 3, Retries: Retries{Attempts: 2, Delay: 500}, TCP: &TCPConfig{Timeout: 1000}}, 60*time.Second + 3*2500*time.Millisecond + 40*time.Second},
		{Config{Cron: "0 3 * * *", ConfirmDown: 1, TCP: &TCPConfig{Timeout: 1000}}, 24*time.Hour + time.Second},
	}
	for i, tt := range tests {
		if got := tt.c.WorstCaseDelay(); got != tt.want {
			t.Errorf("%d: %s, want %s", i, got, tt.want)
		}
	}
	yearly := Monitor{Config: Config{Cron: "0 0 1 1 *", ConfirmDown: 1, Type: TypeTCP, TCP: &TCPConfig{Timeout: 1000}}}
	if got := monitorToProto(yearly, nil).GetWorstCaseAlertDelayMs(); got != 1<<32-1 {
		t.Errorf("a delay of a year is %d ms on the wire", got)
	}
}

func TestSecretHeader(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "authorization": true, "Proxy-Authorization": true, "Cookie": true, "X-API-Key": true, "x-api-key": true,
		"X-Auth-Token": true, "Token": true, "X-Tokenizer": true, "Client-Secret": true, "X-Secret-Id": true, "X-Password": true, "Apikey": true,
		"Accept": false, "Host": false, "X-Key": false, "User-Agent": false, "Content-Type": false, "X-Author": false,
	} {
		if got := secretHeader(name); got != want {
			t.Errorf("secretHeader(%q) = %v", name, got)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := Secrets{Credentials: &Credentials{Password: "canary"}, Headers: map[string]string{"Cookie": "canary"}}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", &s, s.Credentials, *s.Credentials),
		s.LogValue().String(), s.Credentials.LogValue().String(),
	} {
		if want := Redacted; len(text) < len(want) || strings.Contains(text, "canary") {
			t.Errorf("printed %q", text)
		}
	}
}

// Whatever arrives, it is refused or makes a configuration that can be stored, and read and written again unchanged.
func FuzzConfig(f *testing.F) {
	known := func(code string) bool { return code == LocalRegion }
	http := Config{
		Name: "n", Type: TypeHTTP, Cron: "*/5 * * * 1-5", Timezone: "UTC", Regions: []string{"local"}, Labels: map[string]string{"k": "v"},
		Quorum: "1", Retries: Retries{Attempts: 2}, ConfirmDown: 1, ConfirmUp: 1, Overlap: OverlapSkip,
		HTTP: &HTTPConfig{
			URL: "https://example.com/", Method: "GET", Headers: map[string]string{"A": "b", "Cookie": Redacted}, Auth: Auth{Type: AuthBasic},
			Timeout: 1, IPVersion: "any",
		},
		Rules: []Rule{{Type: RuleStatusCode, Operator: OpIn, Value: []any{200.0}}, {Type: RuleBodyContains, Value: "x"}},
	}
	tcp := http
	tcp.Type, tcp.HTTP, tcp.Rules, tcp.TCP = TypeTCP, nil, nil, &TCPConfig{Host: "[::1]", Port: 1, Timeout: 1, IPVersion: "any"}
	for _, m := range []*monitorsv1.Monitor{
		configToProto(tcp),
		withSecrets(configToProto(http), Secrets{Credentials: &Credentials{Username: "u"}, Headers: map[string]string{"Cookie": "c"}}),
	} {
		var p problems
		c, _ := configFromProto(m, Secrets{}, false, &p)
		if c.validate(false, Secrets{}, known, &p); len(p) > 0 {
			f.Fatalf("a seed is refused: %+v", p)
		}
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := &monitorsv1.Monitor{}
		if proto.Unmarshal(raw, m) != nil {
			return
		}
		var p problems
		foldAliases(m, &p)
		c, s := configFromProto(m, Secrets{}, false, &p)
		c.validate(false, Secrets{}, known, &p)
		if len(p) > 0 {
			return
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("accepted and not storable: %v", err)
		}
		var stored Config
		if err := json.Unmarshal(b, &stored); err != nil || !reflect.DeepEqual(stored, c) {
			t.Fatalf("stored %+v, want %+v (%v)", stored, c, err)
		}
		again, againSecrets := configFromProto(withSecrets(configToProto(c), s), s, false, &p)
		again.validate(false, Secrets{}, known, &p)
		if len(p) > 0 || !reflect.DeepEqual(again, c) || !reflect.DeepEqual(againSecrets, s) {
			t.Fatalf("read and written again: %+v, problems %+v, want %+v", again, p, c)
		}
	})
}
