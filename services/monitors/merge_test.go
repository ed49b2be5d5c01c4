package monitors

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"pgregory.net/rapid"

	monitorsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/monitors/v1"
)

// draw fills a message with arbitrary values, or leaves fields out; nothing needs to be valid to be merged.
func draw(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if readOnly[fd.FullName()] || rapid.IntRange(0, 2).Draw(t, "leave out "+string(fd.Name())) == 0 {
			continue
		}
		switch {
		case fd.IsMap():
			for _, key := range rapid.SliceOfN(rapid.StringMatching(`[a-c]`), 0, 3).Draw(t, "keys") {
				m.Mutable(fd).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(rapid.StringMatching(`[xyz]?`).Draw(t, "value")))
			}
		case fd.IsList() && fd.Kind() == protoreflect.Uint32Kind:
			for _, n := range rapid.SliceOfN(rapid.Uint32Range(0, 3), 0, 3).Draw(t, "list") {
				m.Mutable(fd).List().Append(protoreflect.ValueOfUint32(n))
			}
		case fd.IsList() && fd.Message() == nil:
			for _, s := range rapid.SliceOfN(rapid.StringMatching(`[a-c]`), 0, 3).Draw(t, "list") {
				m.Mutable(fd).List().Append(protoreflect.ValueOfString(s))
			}
		case fd.IsList():
			for range rapid.IntRange(0, 2).Draw(t, "list") {
				draw(t, m.Mutable(fd).List().AppendMutable().Message(), depth+1)
			}
		case fd.Message() != nil:
			if depth < 4 && !strings.HasPrefix(string(fd.Message().FullName()), "google.") {
				draw(t, m.Mutable(fd).Message(), depth+1)
			}
		default:
			m.Set(fd, scalar(t, fd))
		}
	}
}

func scalar(t *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	n := rapid.IntRange(0, 3).Draw(t, string(fd.Name()))
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n%2 == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("s", n))
	}
	panic(fmt.Sprintf("no value of kind %s for %s", fd.Kind(), fd.FullName()))
}

// leafPaths lists every field that is not descended into.
func leafPaths(d protoreflect.MessageDescriptor, prefix path) []path {
	var all []path
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		switch {
		case readOnly[fd.FullName()]:
		case isMessage(fd):
			all = append(all, leafPaths(fd.Message(), prefix.below(fd))...)
		default:
			all = append(all, prefix.below(fd))
		}
	}
	return all
}

func (p path) String() string {
	var names []string
	for _, fd := range p {
		names = append(names, string(fd.Name()))
	}
	return strings.Join(names, ".")
}

// value is the field at p as text; "absent" if it, or a message before it, is not there.
func (p path) value(m proto.Message) string {
	r := m.ProtoReflect()
	for i, fd := range p {
		if !r.Has(fd) {
			return "absent"
		}
		if i == len(p)-1 {
			holder := r.New()
			holder.Set(fd, r.Get(fd))
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(holder.Interface())
			if err != nil {
				panic(err)
			}
			return string(b)
		}
		r = r.Get(fd).Message()
	}
	panic("no path")
}

func drawMonitor(t *rapid.T) *monitorsv1.Monitor {
	m := &monitorsv1.Monitor{}
	draw(t, m.ProtoReflect(), 0)
	return m
}

var allLeaves = leafPaths((&monitorsv1.Monitor{}).ProtoReflect().Descriptor(), nil)

// A mask of some fields makes those as the body has them, present or absent, and leaves all others.
func TestMergeReplacesWhatIsNamedAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, body := drawMonitor(t), drawMonitor(t)
		named := rapid.SliceOfNDistinct(rapid.SampledFrom(allLeaves), 0, 4, path.String).Draw(t, "named")
		mask := &fieldmaskpb.FieldMask{}
		for _, p := range named {
			mask.Paths = append(mask.Paths, p.String())
		}
		if len(named) == 0 {
			body = &monitorsv1.Monitor{}
		}
		paths, err := changedPaths(body, mask)
		if err != nil {
			t.Fatal(err)
		}
		after := proto.CloneOf(before)
		merge(after, body, paths)
		switchesAuth := slices.ContainsFunc(named, func(p path) bool { return p.is("http_config", "auth", "type") })
		for _, p := range allLeaves {
			want := p.value(before)
			if isNamed := slices.ContainsFunc(named, func(n path) bool { return n.String() == p.String() }); isNamed && !(writeOnly[p[len(p)-1].FullName()] && p.value(body) == "absent") {
				want = p.value(body)
			} else if switchesAuth && ofOneType(p) && authType(after.GetHttpConfig().GetAuth()) != authType(before.GetHttpConfig().GetAuth()) {
				want = "absent" // the old type's
			}
			if got := p.value(after); got != want {
				t.Fatalf("named %v: %v is %q, want %q", mask.GetPaths(), p, got, want)
			}
		}
	})
}

// ofOneType reports whether p means something to one type of authentication only.
func ofOneType(p path) bool {
	return p.is("http_config", "auth", "credentials") || p.is("http_config", "auth", "oauth2")
}

// Without a mask, everything that the body holds is replaced, and the rest stays.
func TestMergeWithoutMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, body := drawMonitor(t), drawMonitor(t)
		paths, err := changedPaths(body, nil)
		if err != nil {
			t.Fatal(err)
		}
		after := proto.CloneOf(before)
		merge(after, body, paths)
		for _, p := range allLeaves {
			want := p.value(body)
			if want == "absent" {
				want = p.value(before)
				if ofOneType(p) && authType(after.GetHttpConfig().GetAuth()) != authType(before.GetHttpConfig().GetAuth()) {
					want = "absent"
				}
			}
			if got := p.value(after); got != want {
				t.Fatalf("%v is %q, want %q", p, got, want)
			}
		}
		again := proto.CloneOf(after)
		merge(again, body, paths)
		if !proto.Equal(again, after) {
			t.Fatalf("merging twice is not merging once:\n%v\n%v", after, again)
		}
	})
}
