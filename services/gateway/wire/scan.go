package wire

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that brackets cannot exhaust the stack.
const maxDepth = 64

// scanner reads JSON token by token and knows where it stands.
type scanner struct {
	data  []byte
	pos   int
	depth int
	path  []byte // of the value that is being read
}

// fail returns an error about the value that is being read.
func (s *scanner) fail(format string, args ...any) error {
	return &Error{Path: string(s.path), Message: fmt.Sprintf(format, args...)}
}

// broken returns an error about the text itself.
func (s *scanner) broken(what string) error {
	if s.pos >= len(s.data) {
		return s.fail("not valid JSON: the text ends too early")
	}
	return s.fail("not valid JSON at byte %d: %s", s.pos, what)
}

// descend adds a name to the path and returns the length to truncate it to afterwards.
func (s *scanner) descend(name string) int {
	was := len(s.path)
	if was > 0 {
		s.path = append(s.path, '.')
	}
	s.path = append(s.path, clip(name)...)
	return was
}

func (s *scanner) descendIndex(i int) int {
	was := len(s.path)
	s.path = fmt.Appendf(s.path, "[%d]", i)
	return was
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take reads the byte c, which must come next.
func (s *scanner) take(c byte) error {
	if s.peek() != c || s.pos >= len(s.data) {
		return s.broken(fmt.Sprintf("expected %q", c))
	}
	s.pos++
	return nil
}

// open reads the bracket that starts an object or a list; close with more.
func (s *scanner) open(c byte) error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("must not be nested deeper than %d levels", maxDepth)
	}
	return s.take(c)
}

// more reports whether another element follows, given how many there were, and otherwise reads the closing bracket.
func (s *scanner) more(count int, closing byte) (bool, error) {
	if c := s.peek(); c == closing && s.pos < len(s.data) {
		s.pos++
		s.depth--
		return false, nil
	}
	if count == 0 {
		return true, nil
	}
	if s.peek() != ',' {
		return false, s.broken(fmt.Sprintf("expected %q or %q", ',', closing))
	}
	s.pos++
	return true, nil
}

// word reads null, true or false.
func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return s.broken("expected a value")
	}
	s.pos += len(w)
	return nil
}

// number reads a number as JSON spells it.
func (s *scanner) number() (string, error) {
	start := s.pos
	digits := func() bool {
		from := s.pos
		for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > from
	}
	at := func(set string) bool {
		if s.pos < len(s.data) && bytes.IndexByte([]byte(set), s.data[s.pos]) >= 0 {
			s.pos++
			return true
		}
		return false
	}
	at("-")
	if at("0") {
		if s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
			return "", s.broken("a number must not start with 0")
		}
	} else if !digits() {
		return "", s.broken("expected a digit")
	}
	if at(".") && !digits() {
		return "", s.broken("expected a digit")
	}
	if at("eE") {
		at("+-")
		if !digits() {
			return "", s.broken("expected a digit")
		}
	}
	return string(s.data[start:s.pos]), nil
}

// text reads a string.
func (s *scanner) text() (string, error) {
	if err := s.take('"'); err != nil {
		return "", err
	}
	end := s.pos
	for end < len(s.data) && s.data[end] != '"' && s.data[end] != '\\' && s.data[end] >= ' ' && s.data[end] < utf8.RuneSelf {
		end++
	}
	if end < len(s.data) && s.data[end] == '"' {
		t := string(s.data[s.pos:end])
		s.pos = end + 1
		return t, nil
	}
	out := append(make([]byte, 0, end-s.pos+32), s.data[s.pos:end]...)
	s.pos = end
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(out), nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return "", s.broken("control characters must be escaped in a string")
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return "", s.broken("a string must be UTF-8")
			}
			out = append(out, s.data[s.pos:s.pos+size]...)
			s.pos += size
		}
	}
	return "", s.broken("")
}

// escape reads what starts with a backslash.
func (s *scanner) escape() (rune, error) {
	if s.pos+1 >= len(s.data) {
		s.pos = len(s.data)
		return 0, s.broken("")
	}
	c := s.data[s.pos+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode()
	default:
		return 0, s.broken("unknown escape")
	}
	s.pos += 2
	return rune(c), nil
}

// unicode reads \uXXXX, or two of them that are one letter.
func (s *scanner) unicode() (rune, error) {
	r, ok := s.hex4(s.pos)
	if !ok {
		return 0, s.broken(`expected four hexadecimal digits after \u`)
	}
	if !utf16.IsSurrogate(r) {
		s.pos += 6
		return r, nil
	}
	low, _ := s.hex4(s.pos + 6)
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, s.broken("half of a surrogate pair")
	}
	s.pos += 12
	return r, nil
}

func (s *scanner) hex4(at int) (rune, bool) {
	if at+6 > len(s.data) || s.data[at] != '\\' || s.data[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.data[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// found describes the value that comes next in an error. The texts of strings are shown only if echo is set: where a
// string is expected it may be a secret that was given in the wrong form.
func (s *scanner) found(echo bool) string {
	start := s.pos
	defer func() { s.pos = start }()
	switch c := s.peek(); c {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 'n':
		return "null"
	case 't', 'f':
		if !echo {
			return "true or false"
		}
		if c == 't' {
			return "true"
		}
		return "false"
	case '"':
		t, err := s.text()
		if err != nil || !echo {
			return "a string"
		}
		return fmt.Sprintf("%q", clip(t))
	}
	n, err := s.number()
	if err != nil || !echo {
		return "a number"
	}
	return clip(n)
}
