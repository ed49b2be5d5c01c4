package clickhouse

import (
	"slices"
	"strings"
)

// statement is what a trace tells of a statement beside its text.
type statement struct {
	operation  string // its first keyword, in capitals
	collection string // the first table it names, if any
}

// summary is low in cardinality: "INSERT monitor_events".
func (s statement) summary() string {
	if s.collection == "" {
		return s.operation
	}
	return s.operation + " " + s.collection
}

// describe reads as much of a statement as is needed to name it. It is no parser of SQL: what it cannot make out it leaves
// out.
func describe(sql string) statement {
	l := lexer{rest: sql}
	var s statement
	for {
		word, ok := l.next()
		if !ok {
			return s
		}
		if word == "(" || word == ")" {
			continue
		}
		upper := strings.ToUpper(word)
		switch {
		case s.operation == "":
			s.operation = upper
		case s.operation == "WITH" && l.depth == 0 && upper == "SELECT":
			s.operation = upper
		case s.collection == "" && slices.Contains(beforeTable(s.operation), upper):
			s.collection = l.table(upper == "FROM")
		}
		if s.collection != "" && s.operation != "WITH" {
			return s
		}
	}
}

// beforeTable are the keywords after which a statement names its table.
func beforeTable(operation string) []string {
	switch operation {
	case "WITH", "SELECT", "DELETE":
		return []string{"FROM"}
	case "INSERT":
		return []string{"INTO"}
	}
	return []string{"TABLE", "VIEW", "DICTIONARY", "DATABASE", "FROM"}
}

// table reads a name and what may stand before it. A subquery is none, nor is a table function, which is told by the
// parenthesis after it where functions may stand.
func (l *lexer) table(orFunction bool) string {
	for {
		word, ok := l.next()
		if !ok || word == "(" || word == ")" {
			return ""
		}
		switch strings.ToUpper(word) {
		case "IF", "NOT", "EXISTS", "TABLE":
			continue
		case "FUNCTION":
			return ""
		}
		isNumber := word[0] >= '0' && word[0] <= '9'
		isFunction := orFunction && strings.HasPrefix(strings.TrimLeft(l.rest, " \t\r\n"), "(")
		if isNumber || isFunction {
			return ""
		}
		return strings.NewReplacer("`", "", `"`, "").Replace(word)
	}
}

// lexer cuts a statement into words and parentheses; comments, strings and other signs are passed over.
type lexer struct {
	rest  string
	depth int // of parentheses
}

func (l *lexer) next() (string, bool) {
	for l.rest != "" {
		switch c := l.rest[0]; {
		case strings.HasPrefix(l.rest, "--"):
			l.skipPast("\n", 2)
		case strings.HasPrefix(l.rest, "/*"):
			l.skipPast("*/", 2)
		case c == '\'':
			l.skipString()
		case c == '(' || c == ')':
			if c == '(' {
				l.depth++
			} else {
				l.depth--
			}
			l.rest = l.rest[1:]
			return string(c), true
		case inName(c):
			n := 1
			for n < len(l.rest) && inName(l.rest[n]) {
				n++
			}
			word := l.rest[:n]
			l.rest = l.rest[n:]
			return word, true
		default:
			l.rest = l.rest[1:]
		}
	}
	return "", false
}

func (l *lexer) skipPast(end string, from int) {
	_, l.rest, _ = strings.Cut(l.rest[from:], end)
}

func (l *lexer) skipString() {
	for i := 1; i < len(l.rest); i++ {
		switch l.rest[i] {
		case '\\':
			i++
		case '\'':
			l.rest = l.rest[i+1:]
			return
		}
	}
	l.rest = ""
}

func inName(c byte) bool {
	return c == '_' || c == '.' || c == '`' || c == '"' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
