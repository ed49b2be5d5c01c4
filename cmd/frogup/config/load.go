package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Sources is where Load reads from.
type Sources struct {
	Role    string            // whose section of the file counts
	Path    string            // of the file; "" means none
	Environ map[string]string // the whole environment

	Roles map[string]*Set // every role's settings: what is another's may stand in the file and in the environment
	Other []string        // variables of other verbs; they may be there too. "FROGUP_TEST_*" is all that begin so
}

// given is one value that a source gives.
type given struct {
	texts []string
	from  string
}

// Load gives every setting its value from the strongest source that has one. The error tells of everything that is wrong,
// one line each.
func (set *Set) Load(src Sources) error {
	var errs []error
	fromFile, err := readFile(src)
	errs = append(errs, err)
	errs = append(errs, unknownVariables(src))
	for _, s := range set.settings {
		if s.of != nil {
			continue // read with the setting that it belongs to
		}
		if err := s.choose(src.Environ, fromFile); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// choose takes the strongest value. Naming a file counts as much as giving the value, and both at once is an error.
func (s *Setting) choose(environ map[string]string, fromFile map[string]given) error {
	for _, source := range []Source{Flag, Env, File} {
		direct, ok := s.given(source, environ, fromFile)
		var path given
		var named bool
		if s.file != nil {
			path, named = s.file.given(source, environ, fromFile)
		}
		switch {
		case ok && named:
			return fmt.Errorf("%s and %s are both set; give one", direct.from, path.from)
		case named:
			s.file.Source, s.file.From, s.file.texts = source, path.from, path.texts
			text, err := os.ReadFile(last(path.texts))
			if err != nil {
				return fmt.Errorf("%s: %w", path.from, err)
			}
			return s.take(given{one(strings.TrimRight(string(text), "\r\n")), path.from}, source)
		case ok:
			return s.take(direct, source)
		}
	}
	return nil
}

// given is what one source says; an empty variable says nothing.
func (s *Setting) given(source Source, environ map[string]string, fromFile map[string]given) (given, bool) {
	switch source {
	case Flag:
		return given{s.flag, "--" + s.Name}, s.flag != nil
	case Env:
		text := environ[s.EnvName()]
		texts := one(text)
		if s.Kind == "list" {
			texts = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
		}
		return given{texts, s.EnvName()}, len(texts) > 0
	default:
		g, ok := fromFile[s.Name]
		return g, ok
	}
}

func (s *Setting) take(g given, source Source) error {
	if !s.Secret { // a password may end with a space
		g.texts = slices.Clone(g.texts)
		for i := range g.texts {
			g.texts[i] = strings.TrimSpace(g.texts[i])
		}
	}
	s.Source, s.From, s.texts = source, g.from, g.texts
	if err := s.read(g.texts); err != nil {
		return s.bad(last(g.texts), err)
	}
	if s.rule == nil || slices.Equal(g.texts, s.preset) {
		return nil
	}
	for _, text := range g.texts {
		if err := s.rule(text); err != nil {
			return s.bad(text, err)
		}
	}
	return nil
}

// bad names the key, the value and the rule.
func (s *Setting) bad(text string, rule error) error {
	name := s.From
	if s.Source == File {
		name += ": " + s.Name
	}
	switch {
	case s.Secret:
		return fmt.Errorf("%s: %w", name, rule)
	case s.DSN:
		text = MaskDSN(text)
	}
	return fmt.Errorf("%s %q: %w", name, text, rule)
}

// links are the variables that Kubernetes adds for a service whose name begins with frogup.
var links = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$`)

// unknownVariables refuses what looks like a setting and is none: most often a misspelling that would go unseen.
func unknownVariables(src Sources) error {
	known := slices.Clone(src.Other)
	for _, name := range knownNames(src.Roles) {
		known = append(known, EnvName(name))
	}
	var errs []error
	for _, name := range sortedKeys(src.Environ) {
		if !strings.HasPrefix(name, EnvPrefix) || links.MatchString(name) && !slices.Contains(known, name) {
			continue
		}
		if !slices.ContainsFunc(known, func(k string) bool {
			stem, open := strings.CutSuffix(k, "*")
			return k == name || open && strings.HasPrefix(name, stem)
		}) {
			errs = append(errs, fmt.Errorf("%s in the environment is not a setting%s", name, didYouMean(name, known)))
		}
	}
	return errors.Join(errs...)
}

// knownNames are the names of every role's settings, sorted.
func knownNames(roles map[string]*Set) []string {
	names := map[string]bool{}
	for _, set := range roles {
		for name := range set.byName {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
