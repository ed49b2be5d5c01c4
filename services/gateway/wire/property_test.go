package wire_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	_ "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	checkv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/check/v1"
	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
	"github.com/frogstats/uptime/services/gateway/wire"
)

// restMessages are the inputs and outputs of every method that REST reaches.
func restMessages(t testing.TB) []protoreflect.MessageType {
	t.Helper()
	found := map[protoreflect.FullName]protoreflect.MessageType{}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			methods := fd.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				if !proto.HasExtension(m.Options(), annotations.E_Http) {
					continue
				}
				for _, md := range []protoreflect.MessageDescriptor{m.Input(), m.Output()} {
					mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
					if err != nil {
						t.Fatal(err)
					}
					found[md.FullName()] = mt
				}
			}
		}
		return true
	})
	if len(found) < 50 {
		t.Fatalf("found only %d messages", len(found))
	}
	var out []protoreflect.MessageType
	for _, mt := range found {
		if mt.Descriptor().FullName() != "google.protobuf.Empty" {
			out = append(out, mt)
		}
	}
	slices.SortFunc(out, func(a, b protoreflect.MessageType) int {
		if a.Descriptor().FullName() < b.Descriptor().FullName() {
			return -1
		}
		return 1
	})
	return out
}

func TestDecodeUndoesEncode(t *testing.T) {
	types := restMessages(t)
	rapid.Check(t, func(t *rapid.T) {
		mt := rapid.SampledFrom(types).Draw(t, "type")
		want := mt.New()
		fill(t, want, 0)
		data, err := wire.Marshaler{}.Marshal(want.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(data) {
			t.Fatalf("not JSON: %s", data)
		}
		got := mt.New()
		if err := wire.Unmarshal(data, got.Interface()); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), protocmp.Transform()); diff != "" {
			t.Fatalf("-want +got\n%s\n%s", diff, data)
		}
	})
}

// fill draws a message whose every value the wire can carry.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() != nil && !fd.IsMap() && fd.Message().FullName() == "google.protobuf.FieldMask" {
			continue
		}
		if o := fd.ContainingOneof(); o != nil && m.WhichOneof(o) != nil || depth > 3 || !rapid.Bool().Draw(t, "set") {
			continue
		}
		switch {
		case fd.IsList():
			for range rapid.IntRange(0, 3).Draw(t, "len") {
				l := m.Mutable(fd).List()
				l.Append(draw(t, fd, depth, l.NewElement))
			}
		case fd.IsMap():
			for range rapid.IntRange(0, 3).Draw(t, "len") {
				mm := m.Mutable(fd).Map()
				mm.Set(protoreflect.ValueOfString(rapid.String().Draw(t, "key")).MapKey(), draw(t, fd.MapValue(), depth, mm.NewValue))
			}
		default:
			m.Set(fd, draw(t, fd, depth, func() protoreflect.Value { return m.NewField(fd) }))
		}
	}
}

func draw(t *rapid.T, fd protoreflect.FieldDescriptor, depth int, empty func() protoreflect.Value) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.Float64().Draw(t, "double"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.String().Draw(t, "string"))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(rapid.IntRange(1, values.Len()-1).Draw(t, "enum")).Number())
	case protoreflect.MessageKind:
		return drawMessage(t, fd.Message().FullName(), depth, empty)
	}
	t.Fatalf("no generator for %s", fd.FullName())
	return protoreflect.Value{}
}

func drawMessage(t *rapid.T, name protoreflect.FullName, depth int, empty func() protoreflect.Value) protoreflect.Value {
	var m proto.Message
	switch name {
	case "google.protobuf.Timestamp":
		m = &timestamppb.Timestamp{
			Seconds: rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"),
			Nanos:   rapid.Int32Range(0, 999).Draw(t, "ms") * 1e6,
		}
	case "google.protobuf.Struct":
		m = drawAny(t, 3).GetStructValue()
	case "google.protobuf.ListValue":
		m = drawAny(t, 4).GetListValue()
	case "google.protobuf.Value":
		m = drawAny(t, rapid.IntRange(0, 4).Draw(t, "kind"))
	default:
		v := empty()
		fill(t, v.Message(), depth+1)
		return v
	}
	return protoreflect.ValueOfMessage(m.ProtoReflect())
}

// drawAny draws free JSON of one kind: string, number, bool, object, list or, inside the latter two, null.
func drawAny(t *rapid.T, kind int) *structpb.Value {
	inner := func() *structpb.Value { return drawAny(t, rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "kind")) }
	switch kind {
	case 0:
		return structpb.NewStringValue(rapid.String().Draw(t, "s"))
	case 1:
		return structpb.NewNumberValue(rapid.Float64().Draw(t, "n"))
	case 2:
		return structpb.NewBoolValue(rapid.Bool().Draw(t, "b"))
	case 3:
		s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			s.Fields[rapid.String().Draw(t, "k")] = inner()
		}
		return structpb.NewStructValue(s)
	case 4:
		l := &structpb.ListValue{}
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			l.Values = append(l.Values, inner())
		}
		return structpb.NewListValue(l)
	}
	return structpb.NewNullValue()
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a","http_config":{"url":"x","headers":{"a":"b"}},"validation_rules":[{"type":"in","value":[1,{"a":null}]}]}`,
		`{"id":1e3,"created_at":"2026-01-02T03:04:05.000Z","labels":{"a":"\ud83d\ude00"}}`, `{"status":{"regions":[{}]}} `, `[`, `{"a`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &monitorsv1.Monitor{}
		present, err := wire.UnmarshalPresent(data, m)
		if err != nil {
			var e *wire.Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
		if len(present) == 0 && proto.Size(m) > 0 {
			t.Fatalf("nothing present in %q", data)
		}
		out, err := wire.Marshaler{}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again := &monitorsv1.Monitor{}
		if err := wire.Unmarshal(out, again); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if diff := cmp.Diff(m, again, protocmp.Transform()); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}

func sample() *monitorsv1.Monitor {
	m := &monitorsv1.Monitor{}
	if err := wire.Unmarshal([]byte(`{"id":7,"organization_id":"0192aaaa-0000-7000-8000-000000000000","name":"api","monitor_type":"http","interval_seconds":30,"enabled":true,
		"http_config":{"url":"https://example.com/","method":"GET","headers":{"Accept":"*/*","X-A":"b"},"auth":{"type":"none"},"follow_redirects":true,"timeout_ms":10000,"ip_version":"any","max_redirects":10},
		"validation_rules":[{"type":"status_code","operator":"in","value":[200,204]}],"regions":["local"],"confirm_down":2,"confirm_up":1,"labels":{"team":"web"},
		"created_at":"2026-01-02T03:04:05.000Z","updated_at":"2026-01-02T03:04:05.000Z","created_by":"0192",
		"status":{"monitor_id":7,"current_status":"up","since":"2026-01-02T03:04:05.000Z","last_checked_at":"2026-01-02T03:04:05.000Z","consecutive_successes":12,"uptime_percentage_24h":100,"average_response_time_24h":12.4,"regions":[{"region":"local","status":"up"}]}}`), m); err != nil {
		panic(err)
	}
	if m.GetMonitorType() != checkv1.MonitorType_MONITOR_TYPE_HTTP {
		panic("not read")
	}
	return m
}

func BenchmarkMarshal(b *testing.B) {
	m := sample()
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = wire.Append(buf[:0], m)
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("protojson", func(b *testing.B) {
		b.ReportAllocs()
		o := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}
		var buf []byte
		for b.Loop() {
			buf, _ = o.MarshalAppend(buf[:0], m)
		}
		b.SetBytes(int64(len(buf)))
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	m := sample()
	ours, _ := wire.Marshaler{}.Marshal(m)
	theirs, _ := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(ours)))
		for b.Loop() {
			_ = wire.Unmarshal(ours, &monitorsv1.Monitor{})
		}
	})
	b.Run("protojson", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(theirs)))
		for b.Loop() {
			_ = protojson.Unmarshal(theirs, &monitorsv1.Monitor{})
		}
	})
}
