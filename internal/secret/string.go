// Package secret keeps credentials from being read by those who should not: String in memory, where it cannot be printed by
// accident, and Box for what is stored.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// String is a text that prints, logs and marshals as "***". Only Reveal gives it away, so a search for Reveal finds every
// place that does. It can be read from JSON and text.
//
// Even where fmt does not ask a value how it wants to be printed, as in the unexported fields of a struct and for %p, all it
// finds is a pointer. For the same reason == compares nothing useful: use Equal.
type String struct{ v *string }

// New hides v.
func New(v string) String { return String{&v} }

// Reveal returns the text.
func (s String) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// Equal compares without telling by its duration where the two differ.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String implements fmt.Stringer.
func (s String) String() string { return hidden }

// Format implements fmt.Formatter, so that no verb, not even %x or %#v, goes around String.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer.
func (s String) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler.
func (s String) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON implements json.Marshaler.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *String) UnmarshalText(b []byte) error {
	*s = New(string(b))
	return nil
}

// UnmarshalJSON implements json.Unmarshaler. Its errors do not quote the input.
func (s *String) UnmarshalJSON(b []byte) error {
	var v string
	if err := json.Unmarshal(b, &v); err != nil {
		return errors.New("a secret must be a JSON string")
	}
	*s = New(v)
	return nil
}
