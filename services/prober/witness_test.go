package prober

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// inHouse is a resolver without a way to the public DNS: it knows only that there are
// no other names under its own zone, and fails for all else.
type inHouse struct{}

func (inHouse) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	err := &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	if strings.HasSuffix(strings.TrimSuffix(host, "."), "corp.test") {
		err.IsNotFound, err.IsTemporary = true, false
	}
	return nil, err
}

// Whose fault a failed name is depends on a witness that the resolver can know.
func TestResolverWitnesses(t *testing.T) {
	tests := []struct {
		name      string
		witnesses []string
		want      checkv1.ResultStatus
	}{
		{"public names, which this network cannot resolve", nil, checkv1.ResultStatus_RESULT_STATUS_ERROR},
		{"a zone of its own", []string{"corp.test"}, checkv1.ResultStatus_RESULT_STATUS_FAILURE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewChecker(nil, tt.witnesses)
			c.network.Resolver = inHouse{}
			chk, err := c.prepare(&checkv1.CheckSpec{
				MonitorType: checkv1.MonitorType_MONITOR_TYPE_TCP, TcpConfig: &checkv1.TcpConfig{Host: ptr("db.other.test"), Port: ptr(int32(5432))},
			})
			if err != nil {
				t.Fatal(err)
			}
			r := &checkv1.CheckResult{}
			chk.run(t.Context(), r)
			if r.GetStatus() != tt.want {
				t.Errorf("status %v (%s), want %v", r.GetStatus(), r.GetErrorType(), tt.want)
			}
		})
	}
}
