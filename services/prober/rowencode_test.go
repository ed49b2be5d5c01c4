package prober

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
)

// drawField gives a field of m some value, a zero that is told apart included.
func drawField(rt *rapid.T, m protoreflect.Message, f protoreflect.FieldDescriptor) {
	name := string(f.Name())
	switch {
	case f.IsMap():
		for key, value := range rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, name) {
			m.Mutable(f).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(value))
		}
	case f.IsList():
		for _, s := range rapid.SliceOf(rapid.String()).Draw(rt, name) {
			m.Mutable(f).List().Append(protoreflect.ValueOfString(s))
		}
	case f.Kind() == protoreflect.MessageKind:
		m.Set(f, protoreflect.ValueOfMessage(timestamppb.New(drawTime(rt, name)).ProtoReflect()))
	case f.Kind() == protoreflect.StringKind:
		m.Set(f, protoreflect.ValueOfString(rapid.String().Draw(rt, name)))
	case f.Kind() == protoreflect.Uint32Kind:
		m.Set(f, protoreflect.ValueOfUint32(rapid.Uint32().Draw(rt, name)))
	case f.Kind() == protoreflect.Uint64Kind:
		m.Set(f, protoreflect.ValueOfUint64(rapid.Uint64().Draw(rt, name)))
	case f.Kind() == protoreflect.EnumKind:
		m.Set(f, protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32().Draw(rt, name))))
	default:
		rt.Fatalf("%s is a %v, which encodeResult does not write", name, f.Kind())
	}
}

// Whatever fields the contract has or gets: what is written by hand is the message.
func TestResultByHandIsTheMessage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := &checkv1.CheckResult{}
		m := want.ProtoReflect()
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			if f := fields.Get(i); f.Name() != "details" && rapid.Bool().Draw(rt, string(f.Name())+" is set") {
				drawField(rt, m, f)
			}
		}
		row, ok := encodeResult([]byte("before"), want)
		if !ok || string(row[:6]) != "before" {
			rt.Fatalf("ok %v: %q", ok, row)
		}
		got := &checkv1.CheckResult{}
		if err := proto.Unmarshal(row[6:], got); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			rt.Fatalf("-want +got:\n%s", diff)
		}
		if generated, err := proto.Marshal(want); err != nil || len(generated) != len(row)-6 {
			rt.Fatalf("%d bytes, generated %d: %v", len(row)-6, len(generated), err)
		}
	})
}

func TestResultsLeftToTheGeneratedCode(t *testing.T) {
	const broken = "a\xff"
	for name, r := range map[string]*checkv1.CheckResult{
		"details":      {Details: &checkv1.CheckDetails{}},
		"header":       {ResponseHeaders: map[string]string{"A": broken}},
		"header name":  {ResponseHeaders: map[string]string{broken: "a"}},
		"name":         {MonitorName: broken},
		"tls version":  {TlsVersion: ptr(broken)},
		"problem":      {ValidationErrors: []string{broken}},
		"organization": {OrganizationId: broken},
	} {
		if _, ok := encodeResult(nil, r); ok {
			t.Errorf("%s: is written by hand", name)
		}
		row, err := appendResult([]byte("x"), r)
		if err != nil || row[0] != 'x' {
			t.Errorf("%s: %q, %v", name, row, err)
		}
		if err := proto.Unmarshal(row[1:], &checkv1.CheckResult{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkEncodeResult(b *testing.B) {
	code, ns, ip := uint32(200), uint64(123_456), "192.0.2.1"
	r := &checkv1.CheckResult{
		MonitorId: 7, OrganizationId: "org", Region: "eu", ProberId: "p1", ScheduledAt: timestamppb.Now(), StartedAt: timestamppb.Now(), Status: passes,
		ResponseTimeNs: ns, StatusCode: &code, TcpNs: &ns, TtfbNs: &ns, TransferNs: &ns, ResponseSizeBytes: &ns, ResolvedIp: &ip, Attempt: 1,
		ResponseHeaders: map[string]string{"Date": "Sun, 22 Nov 2026 07:00:00 GMT", "Server": "bench", "Content-Type": "text/plain", "Content-Length": "200"},
		NextScheduledAt: timestamppb.Now(), MonitorUrl: "http://192.0.2.1:8080/", MonitorName: "page",
	}
	var row []byte
	for name, encode := range map[string]func(){
		"by-hand":   func() { row, _ = encodeResult(row[:0], r) },
		"generated": func() { row, _ = proto.MarshalOptions{}.MarshalAppend(row[:0], r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode()
			}
		})
	}
}
