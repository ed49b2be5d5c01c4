package resource

import (
	"regexp"
	"strings"
)

// known kinds that are not run here, by the apiVersion that they belong to.
var notRun = map[string]string{"DnsCheck": "v1", "DomainCheck": "v1", "LoadCheck": "browser/v1", "ScriptedCheck": "browser/v1"}

var (
	runKinds     = []string{KindTCP, KindHTTP, KindTLS}
	vendorSchema = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+/v[0-9]+[a-z0-9]*$`)
)

// resource reads a document.
func (p *parser) resource(root *node) {
	p.resources++
	r := &reader{p: p}
	o := r.object(root, "", []string{"apiVersion", "kind", "metadata", "spec"}, fieldWords[""])
	if o == nil {
		return
	}
	c := &Check{Retries: 1, Pos: Position{File: p.file, Line: root.line, Column: root.column}}
	runs := r.envelope(o, c)
	if n, path := o.needed("metadata"); n != nil {
		r.metadata(n, path, c)
	}
	if n, path := o.needed("spec"); n != nil && runs {
		r.spec(n, path, c)
	}
	if c.Key = "v1:" + c.Kind + ":" + c.Name; c.Kind != "" && c.Name != "" {
		r.unique(o, c)
	}
	if runs && !r.failed {
		p.checks = append(p.checks, c)
	}
}

// envelope reads apiVersion and kind, and tells whether there is a check to read.
func (r *reader) envelope(o *object, c *Check) bool {
	version, kind := "", ""
	vn, vpath := o.needed("apiVersion")
	if vn != nil {
		version, _ = r.text(vn, vpath)
	}
	kn, kpath := o.needed("kind")
	if kn != nil {
		kind, _ = r.text(kn, kpath)
	}
	if vendorSchema.MatchString(version) {
		r.overlook(vn, vpath, "kind-not-run", "", "is a vendor's schema, whose checks are not run here")
		return false
	}
	if kind == "" {
		r.version(vn, vpath, version, "v1")
		return false
	}
	if home, known := notRun[kind]; known {
		if r.version(vn, vpath, version, home) {
			r.overlook(kn, kpath, "kind-not-run", "", "%s is known but not run here; %s are", kind, oneOfAnd(runKinds))
		}
		return false
	}
	switch kind {
	case KindTCP, KindHTTP, KindTLS:
		c.Kind = kind
	case "SslCheck":
		c.Kind = KindTLS
	default:
		known := append([]string{"SslCheck"}, runKinds...)
		for k := range notRun {
			known = append(known, k)
		}
		meant := meantWord(kind, runKinds)
		if meant == "" || !strings.EqualFold(meant, kind) && plain(meant) != plain(kind) {
			meant = meantWord(kind, known, map[string]string{"tcp": KindTCP, "http": KindHTTP, "https": KindHTTP, "tls": KindTLS, "ssl": KindTLS, "dns": "DnsCheck", "domain": "DomainCheck"})
		}
		r.failMeant(kn, kpath, "kind", meant, "must be %s", oneOf(runKinds))
		r.version(vn, vpath, version, "v1")
		return false
	}
	r.kind = c.Kind
	r.version(vn, vpath, version, "v1")
	return true
}

func (r *reader) version(n *node, path, version, want string) bool {
	if n == nil || n.kind != isString {
		return false // was noted
	}
	if version != want {
		r.failMeant(n, path, "api-version", want, "must be %s", want)
		return false
	}
	return true
}

func oneOfAnd(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func (r *reader) metadata(n *node, path string, c *Check) {
	o := r.object(n, path, []string{"name", "title", "labels"}, fieldWords["metadata"])
	if o == nil {
		return
	}
	if n, path := o.needed("name"); n != nil {
		if name, ok := r.text(n, path); ok {
			if wrong := wrongName(name); wrong != "" {
				r.failMeant(n, path, "name-grammar", meantName(name), "%s", wrong)
			} else {
				c.Name = strings.ToLower(name)
			}
		}
	}
	if n, path := o.field("title"); n != nil && n.kind != isNull {
		c.Title, _ = r.text(n, path)
	}
	if n, path := o.field("labels"); n != nil {
		c.Labels = r.stringMap(n, path)
	}
}

// unique notes a key that another document has.
func (r *reader) unique(o *object, c *Check) {
	at := &node{kind: isString, text: c.Name, line: c.Pos.Line, column: c.Pos.Column}
	if n := o.n.get("metadata").get("name"); n != nil {
		at = n
	}
	if before, again := r.p.seen[c.Key]; again {
		r.fail(at, "metadata.name", "duplicate-resource", "makes the key %s, which is at %s already", c.Key, before)
		return
	}
	r.p.seen[c.Key] = Position{File: r.p.file, Line: at.line, Column: at.column}
}
