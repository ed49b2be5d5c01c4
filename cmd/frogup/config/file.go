package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// addressKey, in the section of a role, is how the other roles reach it; they have a setting of the role's name.
const addressKey = "address"

// readFile returns what the file says to one role: what stands at the top, and over it what stands in its section.
func readFile(src Sources) (map[string]given, error) {
	out := map[string]given{}
	if src.Path == "" {
		return out, nil
	}
	text, err := os.ReadFile(src.Path)
	if err != nil {
		return out, fmt.Errorf("read configuration: %w", err)
	}
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return out, nil // nothing but comments
	} else if err != nil {
		return out, fmt.Errorf("read configuration %s: %w", src.Path, err)
	}
	f := file{Sources: src, name: filepath.Base(src.Path)}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		f.errs = append(f.errs, fmt.Errorf("%s: only one YAML document is read", f.name))
	}
	f.top(doc.Content[0], out)
	return out, errors.Join(f.errs...)
}

type file struct {
	Sources
	name string
	errs []error
}

func (f *file) complain(n *yaml.Node, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("%s:%d: %w", f.name, n.Line, fmt.Errorf(format, args...)))
}

// top reads the keys at the top of the file, the role's own section last.
func (f *file) top(root *yaml.Node, out map[string]given) {
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	}
	if root.Kind != yaml.MappingNode {
		f.complain(root, "the file must be a mapping of settings")
		return
	}
	var own *yaml.Node
	known := knownNames(f.Roles)
	names := append(sortedKeys(f.Roles), known...)
	f.each(root, func(key, value *yaml.Node) {
		section := f.Roles[key.Value]
		switch {
		case section != nil && value.Kind == yaml.MappingNode:
			if key.Value == f.Role {
				own = value
			}
			f.section(key.Value, section, value, out)
		case section != nil && value.Tag == "!!null": // an empty section
		case f.isKnown(key.Value):
			f.value(key, value, out)
		default:
			f.complain(key, "%q is not a setting%s", key.Value, didYouMean(key.Value, names))
		}
	})
	if own != nil {
		f.each(own, func(key, value *yaml.Node) {
			if f.Roles[f.Role].byName[key.Value] != nil {
				f.value(key, value, out)
			}
		})
	}
}

// section checks the names in a role's section, and takes from any what concerns all.
func (f *file) section(role string, set *Set, n *yaml.Node, out map[string]given) {
	names := append(sortedKeys(set.byName), addressKey)
	f.each(n, func(key, value *yaml.Node) {
		switch {
		case set.byName[key.Value] != nil:
		case key.Value == addressKey && f.isKnown(role):
			out[role] = given{one(value.Value), f.at(value)}
		case f.isKnown(key.Value):
			f.complain(key, "%q is not a setting of %s", key.Value, role)
		default:
			f.complain(key, "%q is not a setting of %s%s", key.Value, role, didYouMean(key.Value, names))
		}
	})
}

func (f *file) isKnown(name string) bool {
	for _, set := range f.Roles {
		if set.byName[name] != nil {
			return true
		}
	}
	return false
}

// value takes one value; a list is a sequence, and of one element may be the element.
func (f *file) value(key, value *yaml.Node, out map[string]given) {
	for value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	isList := false
	for _, set := range f.Roles {
		if s := set.byName[key.Value]; s != nil {
			isList = s.Kind == "list"
			break
		}
	}
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null": // nothing is said
	case value.Kind == yaml.ScalarNode:
		texts := []string{value.Value}
		out[key.Value] = given{texts, f.at(key)}
	case value.Kind == yaml.SequenceNode && isList:
		texts := []string{}
		for _, e := range value.Content {
			if e.Kind != yaml.ScalarNode {
				f.complain(e, "%s: an element must be a single value", key.Value)
				return
			}
			texts = append(texts, e.Value)
		}
		out[key.Value] = given{texts, f.at(key)}
	case value.Kind == yaml.SequenceNode:
		f.complain(value, "%s: must be a single value, not a list", key.Value)
	default:
		f.complain(value, "%s: must be a value, not a mapping", key.Value)
	}
}

func (f *file) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.name, n.Line) }

// each calls fn for the pairs of a mapping, and refuses a key that is there twice.
func (f *file) each(n *yaml.Node, fn func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			f.complain(key, "%q stands in line %d already", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		fn(key, n.Content[i+1])
	}
}
