// Package wire is the JSON of the REST surface: protobuf messages written and read by their descriptors, with the names
// and values that programs outside see.
//
// It differs from protojson in what our contract asks for: field names as they stand in the proto file; every field is
// written, null when it is absent; enums by their value name in lower case without the enum's prefix, null when they are
// unspecified; 64-bit integers as numbers; times in UTC with exactly three digits of a second; field masks never written.
// Reading is strict: an unknown field, a wrong type, a field given twice or text after the end is an Error that says where
// and what would have been right, because a typing mistake in a configuration that is silently ignored is an outage that
// is silently not watched.
package wire

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Error is what is wrong with a document or a query parameter. Both texts are meant for whoever sent it.
type Error struct {
	Path    string // where, as in "validation_rules[0].value"; empty for the document as a whole
	Message string // what would be right, as in "must be a whole number, not \"30\""
}

// Error joins both.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Source is a request body that has been read already. A decoder over it reports what it found, which the generated
// handler would otherwise flatten to one text.
type Source interface {
	io.Reader
	// Document returns the whole body.
	Document() []byte
	// Decoded is told the paths of the fields that the body held (see UnmarshalPresent), or what is wrong with it.
	Decoded(present []string, err error)
}

// Marshaler is the wire format as the gateway wants it. The zero value is ready.
type Marshaler struct{}

var _ runtime.Marshaler = Marshaler{}

var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// maxPooled keeps one huge answer from being held for ever, in bytes.
const maxPooled = 1 << 20

// Marshal returns the JSON of a message or of a slice of messages; google.protobuf.Empty is no bytes at all.
func (Marshaler) Marshal(v any) ([]byte, error) {
	buf := buffers.Get().(*[]byte)
	out, err := Append((*buf)[:0], v)
	if err != nil {
		return nil, err
	}
	result := bytes.Clone(out)
	if cap(out) <= maxPooled {
		*buf = out
		buffers.Put(buf)
	}
	return result, nil
}

// Append is Marshal that appends to b.
func Append(b []byte, v any) ([]byte, error) {
	if m, ok := v.(proto.Message); ok {
		return appendTop(b, m.ProtoReflect()), nil
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice {
		return b, fmt.Errorf("wire: cannot write a %T", v)
	}
	b = append(b, '[')
	for i := range list.Len() {
		m, ok := list.Index(i).Interface().(proto.Message)
		if !ok {
			return b, fmt.Errorf("wire: cannot write a %T", v)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTop(b, m.ProtoReflect())
	}
	return append(b, ']'), nil
}

func appendTop(b []byte, m protoreflect.Message) []byte {
	p := planOf(m.Descriptor())
	switch {
	case p.kind == kindEmpty:
		return b
	case !m.IsValid(): // a typed nil
		return append(b, "null"...)
	}
	return appendMessage(b, m, p)
}

// Unmarshal reads data into v, a message or a pointer to a pointer to one, which it makes.
func (Marshaler) Unmarshal(data []byte, v any) error {
	m, err := target(v)
	if err != nil {
		return err
	}
	return Unmarshal(data, m)
}

// target returns the message that v stands for.
func target(v any) (proto.Message, error) {
	if m, ok := v.(proto.Message); ok {
		return m, nil
	}
	p := reflect.ValueOf(v)
	if p.Kind() == reflect.Pointer && !p.IsNil() && p.Elem().Kind() == reflect.Pointer {
		made := reflect.New(p.Elem().Type().Elem())
		if m, ok := made.Interface().(proto.Message); ok {
			p.Elem().Set(made)
			return m, nil
		}
	}
	return nil, fmt.Errorf("wire: cannot read into a %T", v)
}

// NewDecoder returns a decoder of one document.
func (Marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		source, ok := r.(Source)
		if !ok {
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if len(bytes.TrimSpace(data)) == 0 {
				return io.EOF // the gateway takes it for a body that is not there
			}
			return Marshaler{}.Unmarshal(data, v)
		}
		data := source.Document()
		if len(bytes.TrimSpace(data)) == 0 {
			return io.EOF
		}
		m, err := target(v)
		if err != nil {
			return err
		}
		present, err := UnmarshalPresent(data, m)
		source.Decoded(present, err)
		return err
	})
}

// NewEncoder returns an encoder that writes each value on its own.
func (m Marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		b, err := m.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
}

// ContentType is the same for everything.
func (Marshaler) ContentType(any) string { return "application/json" }
