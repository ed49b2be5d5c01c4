package resource

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// Spec is the check as probers run it, every default filled in. Times below a millisecond are rounded up to one.
func (c *Check) Spec() *checkv1.CheckSpec {
	spec := &checkv1.CheckSpec{Name: c.Name, Retries: &checkv1.Retries{Attempts: proto.Int32(int32(c.Retries))}}
	timeout := proto.Int32(int32((c.Timeout + time.Millisecond - 1) / time.Millisecond))
	switch {
	case c.TCP != nil:
		spec.MonitorType = checkv1.MonitorType_MONITOR_TYPE_TCP
		spec.TcpConfig = &checkv1.TcpConfig{
			Host: proto.String(c.TCP.Host), Port: proto.Int32(int32(c.TCP.Port)), TimeoutMs: timeout,
			IpVersion: checkv1.IpVersion_IP_VERSION_ANY.Enum(),
		}
		// A handshake is made only for somebody who asks about it.
		if c.asserts("sslHandshake") {
			spec.TcpConfig.Tls = proto.Bool(true)
			spec.TcpConfig.Starttls = startTLSOf(c.TCP.StartTLS)
		}
	case c.HTTP != nil:
		spec.MonitorType = checkv1.MonitorType_MONITOR_TYPE_HTTP
		spec.HttpConfig = &checkv1.HttpConfig{
			Url: proto.String(c.HTTP.URL), Method: proto.String(c.HTTP.Method), Headers: c.HTTP.Headers, TimeoutMs: timeout,
			FollowRedirects: proto.Bool(!c.wantsRedirect()), IpVersion: checkv1.IpVersion_IP_VERSION_ANY.Enum(),
		}
		if c.HTTP.Body != "" {
			spec.HttpConfig.Body = proto.String(c.HTTP.Body)
		}
	case c.TLS != nil:
		spec.MonitorType = checkv1.MonitorType_MONITOR_TYPE_TLS
		spec.TlsConfig = &checkv1.TlsConfig{
			Host: proto.String(c.TLS.Hostname), Port: proto.Int32(int32(c.TLS.Port)), TimeoutMs: timeout,
			IpVersion: checkv1.IpVersion_IP_VERSION_ANY.Enum(), Starttls: startTLSOf(c.TLS.StartTLS),
			Options: &checkv1.TlsOptions{TrustedCas: c.TLS.TrustedCAs},
		}
		if c.TLS.InsecureSkipVerify {
			spec.TlsConfig.Options.InsecureSkipVerify = proto.Bool(true)
		}
	}
	for _, a := range c.Assertions {
		spec.Assertions = append(spec.Assertions, a.proto())
	}
	return spec
}

func (c *Check) asserts(kind string) bool {
	return slices.ContainsFunc(c.Assertions, func(a Assertion) bool { return a.Type == kind })
}

// wantsRedirect reports whether the answer that is asserted about is a redirect, which is then not followed.
func (c *Check) wantsRedirect() bool {
	return slices.ContainsFunc(c.Assertions, func(a Assertion) bool {
		switch a.Type {
		case "statusCode":
			code, _ := a.Value.(int64)
			return a.Operator == "equals" && code >= 300 && code < 400
		case "header":
			text, _ := a.Value.(string)
			return strings.EqualFold(a.Name, "Location") || a.Name == "" && strings.EqualFold(text, "Location")
		}
		return false
	})
}

func (a Assertion) proto() *checkv1.Assertion {
	out := &checkv1.Assertion{Type: a.Type, Operator: a.Operator}
	switch v := a.Value.(type) {
	case bool:
		out.Value = structpb.NewBoolValue(v)
	case int64:
		out.Value = structpb.NewNumberValue(float64(v))
	case string:
		out.Value = structpb.NewStringValue(v)
	}
	if a.Name != "" {
		out.Name = proto.String(a.Name)
	}
	return out
}

func startTLSOf(name string) *checkv1.StartTls {
	if name == "" {
		name = "auto"
	}
	v, known := checkv1.StartTls_value["START_TLS_"+strings.ToUpper(name)]
	if !known {
		return checkv1.StartTls_START_TLS_AUTO.Enum()
	}
	return checkv1.StartTls(v).Enum()
}
