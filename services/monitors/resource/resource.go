// Package resource reads checks that are written as files: the resources of Synthetic Open Schema v1, in YAML or JSON,
// any number of documents a file. It knows TcpCheck, HttpCheck and TlsCheck.
//
// Reading is strict: whatever the schema does not say is an error. Every problem of every file is reported, with the
// place where it stands, the value, the rule that it breaks and, where one can be guessed, what was meant. The permissive
// mode is for files of others: what can be overlooked without changing what a check does becomes a warning.
//
// docs/conformance.md says where the schema contradicts itself and what holds here, and which fields are extensions.
package resource

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Bounds of what is read.
const (
	MaxFileBytes     = 4 << 20
	MaxDocumentBytes = 512 << 10
	MaxDocuments     = 10_000 // of a file
	maxNodes         = 100_000
	maxDepth         = 64
	maxProblems      = 1000 // of a file
)

// Source is one file.
type Source struct {
	Name string // as problems show it; a name that ends in .json is read as JSON
	Data []byte
}

// Options say how to read.
type Options struct {
	// Permissive turns what can be overlooked into warnings: unknown fields and kinds, labels and headers that are no
	// strings, empty checks, unknown severities.
	Permissive bool
}

// Position is a place in a file; line and column count from 1, columns in characters.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Problem is something wrong with a file.
type Problem struct {
	Position
	Path    string // such as spec.checks[1].value; empty for the file or document as a whole
	Value   string // as written, shortened; empty if there is none or it may be a secret
	Rule    string // identifier, such as "unknown-field"; docs/resources.md lists them
	Message string // completes the sentence "spec.port …"
	Hint    string // what to write instead; empty if nothing can be guessed
	Warning bool   // the resource is usable all the same
	Secret  bool   // the line may hold a credential and should not be shown
}

func (p Problem) String() string {
	s := p.Position.String() + ": "
	if p.Warning {
		s += "warning: "
	}
	if p.Path != "" {
		s += p.Path + " "
	}
	s += p.Message
	if p.Hint != "" {
		s += "; did you mean " + p.Hint + "?"
	}
	return s + " [" + p.Rule + "]"
}

// Set is what files hold.
type Set struct {
	Checks    []*Check  // those without errors, in the order of the files
	Problems  []Problem // in the order of the files
	Resources int       // documents that are not empty
}

// Errors is the number of problems that are no warnings.
func (s *Set) Errors() int {
	n := 0
	for _, p := range s.Problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// The kinds that are run.
const (
	KindTCP  = "TcpCheck"
	KindHTTP = "HttpCheck"
	KindTLS  = "TlsCheck"
)

// Check is a resource.
type Check struct {
	Key    string // v1:kind:name, in which the name is lower-case
	Kind   string
	Name   string // lower-case
	Title  string // empty if there is none
	Labels map[string]string

	Interval   Period // zero if Cron is set
	Cron       string
	Timezone   string // of Cron; empty is UTC
	Timeout    time.Duration
	Retries    int // attempts in all
	Locations  []string
	Channels   []Channel
	Assertions []Assertion

	TCP  *TCP  // of a TcpCheck
	HTTP *HTTP // of an HttpCheck
	TLS  *TLS  // of a TlsCheck

	Pos Position // of the document's first field
}

// Channel says who is told, and how urgent it is.
type Channel struct{ Channel, Severity string }

// Assertion is one of a resource's checks.
type Assertion struct {
	Type     string
	Operator string // in its canonical spelling
	Value    any    // bool, int64 or string; a duration is a string with its unit
	Name     string // of a header
}

// TCP is what a TcpCheck connects to.
type TCP struct {
	Host     string // lower-case name or address
	Port     int
	StartTLS string // empty is auto
}

// HTTP is what an HttpCheck asks for.
type HTTP struct {
	URL     string
	Method  string
	Headers map[string]string
	Body    string
}

// TLS is what a TlsCheck connects to, and whom it trusts.
type TLS struct {
	Hostname           string
	Port               int
	StartTLS           string // empty is auto
	TrustedCAs         []string
	InsecureSkipVerify bool
}

// Parse reads files. It always returns a set; what is wrong stands in Problems.
func Parse(sources []Source, o Options) *Set {
	set := &Set{}
	seen := map[string]Position{}
	for _, src := range sources {
		p := &parser{options: o, file: src.Name, seen: seen}
		p.readFile(src)
		slices.SortStableFunc(p.problems, func(a, b Problem) int {
			return cmp.Or(a.Line-b.Line, a.Column-b.Column)
		})
		set.Checks = append(set.Checks, p.checks...)
		set.Problems = append(set.Problems, p.problems...)
		set.Resources += p.resources
	}
	return set
}
