// Package config reads settings that are each defined once: the name of a setting is its flag and its key in the file, and
// FROGUP_ with the name in capitals its environment variable. Flags are stronger than the environment, which is stronger
// than the file. What is not known, or cannot be meant, is an error that names the key, the value and the rule.
package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the names of all environment variables.
const EnvPrefix = "FROGUP_"

// fileSuffix ends the name of the companion of a setting that may be read from a file of its own.
const fileSuffix = "-file"

// Source says where a value comes from.
type Source string

// The sources, the weakest first.
const (
	Default Source = "default"
	File    Source = "file"
	Env     Source = "env"
	Flag    Source = "flag"
)

// Setting is one thing that an operator can choose.
type Setting struct {
	Name   string // such as "max-checks"
	Usage  string
	Kind   string // of value: "string", "bool", "int", "float", "duration" or "list"
	Secret bool   // never shown
	DSN    bool   // shown without its password

	Source Source
	From   string // where exactly: "--max-checks", "FROGUP_MAX_CHECKS" or "frogup.yaml:12"

	preset []string
	texts  []string // the value as text, one per element of a list
	flag   []string // what the command line said; nil if nothing
	read   func(texts []string) error
	rule   func(text string) error
	file   *Setting // the companion that names a file to read the value from
	of     *Setting // the setting that a companion belongs to
}

// EnvName is the setting's environment variable.
func (s *Setting) EnvName() string { return EnvName(s.Name) }

// EnvName is the environment variable of a setting's name.
func EnvName(name string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Default is the value when nobody says otherwise, as text.
func (s *Setting) Default() string { return strings.Join(s.preset, ",") }

// Set is the settings of one role, in the order of their definition.
type Set struct {
	settings []*Setting
	byName   map[string]*Setting
}

// NewSet makes an empty set.
func NewSet() *Set { return &Set{byName: map[string]*Setting{}} }

// Option completes a setting.
type Option func(*Set, *Setting)

// Secret keeps the value out of everything that is printed, and lets it stand in a file of its own.
func Secret(set *Set, s *Setting) {
	s.Secret = true
	set.companion(s)
}

// DSN keeps the password in the value out of everything that is printed, and lets the value stand in a file of its own.
func DSN(set *Set, s *Setting) {
	s.DSN = true
	set.companion(s)
}

// Rule refuses values: its error says the rule, such as "must be 1 or more". It sees each element of a list by itself, and
// is not asked about a value that is the default.
func Rule(rule func(text string) error) Option {
	return func(_ *Set, s *Setting) { s.rule = rule }
}

// Text defines a setting that is a string.
func (set *Set) Text(p *string, name, preset, usage string, options ...Option) {
	set.add(&Setting{Name: name, Usage: usage, Kind: "string", preset: one(preset), read: func(texts []string) error {
		*p = last(texts)
		return nil
	}}, options)
}

// Bool defines a setting that is true or false.
func (set *Set) Bool(p *bool, name string, preset bool, usage string, options ...Option) {
	set.add(&Setting{Name: name, Usage: usage, Kind: "bool", preset: one(strconv.FormatBool(preset)), read: func(texts []string) (err error) {
		if *p, err = strconv.ParseBool(last(texts)); err != nil {
			return fmt.Errorf("must be true or false")
		}
		return nil
	}}, options)
}

// Int defines a setting that is a whole number.
func (set *Set) Int(p *int, name string, preset int, usage string, options ...Option) {
	set.add(&Setting{Name: name, Usage: usage, Kind: "int", preset: one(strconv.Itoa(preset)), read: func(texts []string) (err error) {
		if *p, err = strconv.Atoi(last(texts)); err != nil {
			return fmt.Errorf("must be a whole number")
		}
		return nil
	}}, options)
}

// Float defines a setting that is a number.
func (set *Set) Float(p *float64, name string, preset float64, usage string, options ...Option) {
	preset64 := strconv.FormatFloat(preset, 'g', -1, 64)
	set.add(&Setting{Name: name, Usage: usage, Kind: "float", preset: one(preset64), read: func(texts []string) (err error) {
		if *p, err = strconv.ParseFloat(last(texts), 64); err != nil {
			return fmt.Errorf("must be a number")
		}
		return nil
	}}, options)
}

// Duration defines a setting that is a time with its unit, such as 90s, 12h or 400d.
func (set *Set) Duration(p *time.Duration, name string, preset time.Duration, usage string, options ...Option) {
	set.add(&Setting{Name: name, Usage: usage, Kind: "duration", preset: one(formatDuration(preset)), read: func(texts []string) (err error) {
		if *p, err = ParseDuration(last(texts)); err == nil && *p < 0 {
			err = errors.New("must not be negative")
		}
		return err
	}}, options)
}

// List defines a setting that may have several values: the flag is repeated, the variable has commas between them, the file
// has a list.
func (set *Set) List(p *[]string, name, usage string, options ...Option) {
	set.add(&Setting{Name: name, Usage: usage, Kind: "list", read: func(texts []string) error {
		*p = texts
		return nil
	}}, options)
}

func (set *Set) add(s *Setting, options []Option) {
	if set.byName[s.Name] != nil {
		panic("setting " + s.Name + " is defined twice")
	}
	s.Source, s.texts = Default, s.preset
	set.settings = append(set.settings, s)
	set.byName[s.Name] = s
	for _, o := range options {
		o(set, s)
	}
	if err := s.read(s.preset); err != nil {
		panic(fmt.Sprintf("setting %s: default %q: %v", s.Name, s.preset, err))
	}
}

func (set *Set) companion(s *Setting) {
	path := new(string)
	set.Text(path, s.Name+fileSuffix, "", "file that holds --"+s.Name)
	s.file = set.byName[s.Name+fileSuffix]
	s.file.of = s
}

// Settings lists the settings. Their values are those of the last Load.
func (set *Set) Settings() []*Setting { return set.settings }

// Get returns the setting of a name, or nil.
func (set *Set) Get(name string) *Setting { return set.byName[name] }

// AddFlags defines the flags. Their values are read by Load.
func (set *Set) AddFlags(f *pflag.FlagSet) {
	for _, s := range set.settings {
		flag := f.VarPF((*flagValue)(s), s.Name, "", s.Usage)
		if s.Kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// flagValue lets pflag note what the command line says; Load judges it like what the other sources say.
type flagValue Setting

func (v *flagValue) String() string {
	if v == nil {
		return ""
	}
	return strings.Join(v.preset, ",")
}

func (v *flagValue) Set(text string) error {
	if v.Kind != "list" {
		v.flag = nil
	}
	v.flag = append(v.flag, text)
	return nil
}

// Type is what the help calls the value.
func (v *flagValue) Type() string {
	if v.Kind == "list" {
		return "stringArray"
	}
	return v.Kind
}

// one is the value of a setting with a single one; the empty text is none.
func one(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func last(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

const (
	day     = 24 * time.Hour
	maxDays = 100_000 // more than that are not nanoseconds any more
)

// ParseDuration reads a time with its unit: what Go reads, or whole days of 24 hours, such as 400d. Every setting that is a
// duration is read so, wherever its value comes from.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && max(n, -n) >= maxDays {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * day
	}
	if err != nil {
		return 0, errors.New("must be a time with its unit, such as 90s, 12h or 400d")
	}
	return d, nil
}

func formatDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if t, ok := strings.CutSuffix(text, zero); ok {
			text = t + zero[:1]
		}
	}
	return text
}

// Give sets a value the way the flag does.
func (s *Setting) Give(text string) { _ = (*flagValue)(s).Set(text) } // takes everything
