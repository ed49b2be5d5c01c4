package resource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// parser reads one file.
type parser struct {
	options   Options
	file      string
	seen      map[string]Position // by key, of all files
	checks    []*Check
	problems  []Problem
	resources int
}

// report notes a problem; it stops counting where nobody would read on.
func (p *parser) report(problem Problem) {
	problem.File = p.file
	problem.Line, problem.Column = max(problem.Line, 1), max(problem.Column, 1)
	switch {
	case len(p.problems) < maxProblems:
		p.problems = append(p.problems, problem)
	case len(p.problems) == maxProblems:
		problem.Path, problem.Value, problem.Hint, problem.Warning = "", "", "", false
		problem.Rule, problem.Message = "too-many-problems", fmt.Sprintf("more than %d problems; the rest is not shown", maxProblems)
		p.problems = append(p.problems, problem)
	}
}

func (p *parser) readFile(src Source) {
	if len(src.Data) > MaxFileBytes {
		p.report(Problem{Rule: "file-size", Message: fmt.Sprintf("is larger than %d bytes", MaxFileBytes)})
		return
	}
	data := plainBreaks(bytes.TrimPrefix(src.Data, []byte("\xef\xbb\xbf")))
	isJSON := looksLikeJSON(src.Name, data)
	switch {
	case !p.checkText(data, isJSON):
	case isJSON:
		p.readJSON(data)
	default:
		p.readYAML(data)
	}
}

// checkText reports text that is no UTF-8, and characters that must not stand as they are.
func (p *parser) checkText(data []byte, isJSON bool) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		p.report(Problem{Rule: "encoding", Message: "is UTF-16; must be UTF-8"})
		return false
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		problem := Problem{}
		switch {
		case r == utf8.RuneError && size == 1:
			problem.Rule, problem.Message = "encoding", fmt.Sprintf("byte 0x%02x is not UTF-8", data[i])
		case r < ' ' && r != '\t' && r != '\n', r >= 0x7f && r <= 0x9f, r == 0xfffe, r == 0xffff,
			!isJSON && (r == 0x2028 || r == 0x2029 || r == 0xfeff): // breaks of lines to some, nothing to others
			problem.Rule, problem.Message = "control-character", fmt.Sprintf("character U+%04X must not stand as it is", r)
		default:
			i += size
			continue
		}
		lines := splitLines(data[:i])
		problem.Line, problem.Column = len(lines), utf8.RuneCountInString(lines[len(lines)-1])+1
		p.report(problem)
		return false
	}
	return true
}

// looksLikeJSON goes by the name; without one that tells, by the first character and whether it goes on as JSON would.
func looksLikeJSON(name string, data []byte) bool {
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(lower, ".json"):
		return true
	case strings.HasSuffix(lower, ".yaml"), strings.HasSuffix(lower, ".yml"):
		return false
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	if len(start) == 0 || start[0] != '{' {
		return false
	}
	start = bytes.TrimLeft(start[1:], " \t\r\n")
	return len(start) > 0 && (start[0] == '"' || start[0] == '}')
}

func (p *parser) readJSON(data []byte) {
	r := newJSONReader(data)
	for n := 0; ; n++ {
		root, err := r.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.broken(asDocumentError(err, 1))
			return
		}
		if n == MaxDocuments {
			p.tooManyDocuments(root.line)
			return
		}
		p.resource(root)
	}
}

func (p *parser) readYAML(data []byte) {
	documents := splitDocuments(data)
	for n, d := range documents {
		switch {
		case n == MaxDocuments:
			p.tooManyDocuments(d.line)
			return
		case len(d.text) > MaxDocumentBytes:
			p.broken(&documentError{d.line, 1, "document-size", fmt.Sprintf("is larger than %d bytes", MaxDocumentBytes)})
			continue
		}
		root, err := readYAML(d.text, d.line)
		if err != nil {
			p.broken(asDocumentError(err, d.line))
			continue
		}
		if root != nil && root.kind != isNull {
			p.resource(root)
		}
	}
}

// broken notes a document that cannot be read.
func (p *parser) broken(err *documentError) {
	p.resources++
	p.report(Problem{Position: Position{Line: err.line, Column: err.column}, Rule: err.rule, Message: err.message})
}

func (p *parser) tooManyDocuments(line int) {
	p.report(Problem{Position: Position{Line: line}, Rule: "document-count", Message: fmt.Sprintf("has more than %d documents", MaxDocuments)})
}

// document is one of a YAML file.
type document struct {
	text []byte
	line int // of its first line
}

// splitDocuments takes a stream apart at its markers, so that one document that cannot be read hides no other. A marker
// stands at the beginning of a line, where nothing else that begins alike may stand, not even within a text.
func splitDocuments(data []byte) []document {
	var list []document
	from, first := 0, 1
	content := false // whether there is more than directives and comments
	cut := func(to, line int) {
		if len(bytes.TrimSpace(data[from:to])) > 0 {
			list = append(list, document{data[from:to], first})
		}
		from, first, content = to, line, false
	}
	for at, line := 0, 1; at < len(data); line++ {
		end := at + bytes.IndexByte(data[at:], '\n') + 1
		if end == at {
			end = len(data)
		}
		text := bytes.TrimRight(data[at:end], "\r\n")
		switch {
		case isMarker(text, "---"):
			if content {
				cut(at, line)
			}
			content = true
		case isMarker(text, "..."):
			cut(end, line+1)
		case len(text) > 0 && text[0] != '#' && text[0] != '%':
			content = content || len(bytes.TrimSpace(text)) > 0
		}
		at = end
	}
	cut(len(data), 0)
	return list
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// plainBreaks makes every line end with a line feed, as YAML has it.
func plainBreaks(data []byte) []byte {
	if bytes.IndexByte(data, '\r') < 0 {
		return data
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// splitLines takes text apart into lines; there is always one.
func splitLines(text []byte) []string { return strings.Split(string(text), "\n") }

// Line is a line of a file without its end, as positions count lines; empty beyond the last.
func Line(data []byte, number int) string {
	lines := splitLines(plainBreaks(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	if number < 1 || number > len(lines) {
		return ""
	}
	return lines[number-1]
}
