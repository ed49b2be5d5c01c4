package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ohler55/ojg/jp"
)

// Path finds values in JSON. The expression is parsed by a library; it is walked
// here, because every step is counted: with several descents, unions or wildcards
// an expression of a few bytes can find more than memory holds.
type Path struct {
	steps []jp.Frag
	bare  []jp.Expr // by step: the path of a filter that only asks whether there is one
}

const (
	// MaxPathBytes bounds a path as written.
	MaxPathBytes = 1 << 10
	// maxPathSteps bounds one walk, maxFound what it finds.
	maxPathSteps = 1_000_000
	maxFound     = 1000
	// filterSteps is what one filter costs against looking at a value.
	filterSteps = 30
)

// ParsePath reads a path: names, indexes, slices, unions, wildcards, descents and
// filters that compare; the $ at its beginning may be left out. Functions and
// regular expressions are for CEL.
func ParsePath(text string) (p *Path, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errors.New("is not supported: it cannot be taken to pieces")
		}
	}()
	return parsePath(text)
}

func parsePath(text string) (*Path, error) {
	if text == "" || len(text) > MaxPathBytes {
		return nil, fmt.Errorf("must be a JSON path of 1 to %d bytes", MaxPathBytes)
	}
	x, err := jp.ParseString(text)
	if err == nil && len(x) == 0 {
		err = errors.New("it has no parts")
	}
	if err != nil {
		return nil, errors.New("is not a JSON path: " + clip(err.Error()))
	}
	if _, ok := x[0].(jp.Root); ok {
		x = x[1:]
	}
	p := &Path{steps: x, bare: make([]jp.Expr, len(x))}
	for i, step := range p.steps {
		switch s := step.(type) {
		case jp.Child, jp.Nth, jp.Wildcard, jp.Descent, jp.Slice, jp.Union:
		case *jp.Filter:
			if p.bare[i], err = checkFilter(s); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("has a part that is not supported: %s", clip(string(step.Append(nil, true, false))))
		}
	}
	return p, nil
}

// filterOperators are those whose cost is that of comparing.
var filterOperators = []string{"==", "!=", "<", ">", "<=", ">=", "&&", "||", "!", "(", "in", "has", "exists", "empty"}

// checkFilter refuses what may cost more than comparing a few values. A filter
// that is nothing but a path is returned as such.
func checkFilter(f *jp.Filter) (bare jp.Expr, err error) {
	inner := strings.TrimSuffix(strings.TrimPrefix(f.String(), "[?("), ")]")
	if x, err := jp.ParseString(inner); err == nil && len(x) > 0 {
		if _, ok := x[0].(jp.At); ok {
			return x, checkOperand(x)
		}
	}
	defer func() {
		if recover() != nil { // the library cannot take this one to pieces
			err = errors.New("has a filter that is not supported")
		}
	}()
	return nil, checkForm(f.Inspect())
}

func checkForm(v any) error {
	switch v := v.(type) {
	case *jp.Form:
		if v == nil {
			return nil
		}
		if !slices.Contains(filterOperators, v.Op) {
			return fmt.Errorf("has a filter with %s, which is not supported; use a rule of type cel", clip(v.Op))
		}
		return errors.Join(checkForm(v.Left), checkForm(v.Right))
	case jp.Expr:
		return checkOperand(v)
	}
	return nil
}

func checkOperand(x jp.Expr) error {
	for i, step := range x {
		switch step.(type) {
		case jp.At:
			if i == 0 {
				continue
			}
		case jp.Child, jp.Nth:
			if i > 0 {
				continue
			}
		}
		return errors.New("has a filter that compares more than @ and what is named in it")
	}
	return nil
}

// errTooManySteps ends a walk.
var errTooManySteps = fmt.Errorf("the path takes more than %d steps", maxPathSteps)

// Find returns the values that the path leads to in what encoding/json decoded, at
// most a thousand. It goes as deep as the document, which is the caller's to bound.
func (p *Path) Find(root any) ([]any, error) {
	w := walk{path: p, left: maxPathSteps}
	err := w.from(root, 0)
	return w.found, err
}

// walk is one use of a path.
type walk struct {
	path  *Path
	left  int
	found []any
}

// from follows the steps from the i-th on. Its depth is bounded by the steps and
// by the depth of the document.
func (w *walk) from(v any, i int) error {
	if w.left--; w.left < 0 {
		return errTooManySteps
	}
	if i == len(w.path.steps) {
		if len(w.found) < maxFound {
			w.found = append(w.found, v)
		}
		return nil
	}
	switch s := w.path.steps[i].(type) {
	case jp.Child:
		return w.child(v, string(s), i)
	case jp.Nth:
		return w.nth(v, int(s), i)
	case jp.Union:
		for _, key := range s {
			var err error
			switch key := key.(type) {
			case string:
				err = w.child(v, key, i)
			case int64:
				err = w.nth(v, int(key), i)
			}
			if err != nil {
				return err
			}
		}
	case jp.Wildcard:
		return w.each(v, func(child any) error { return w.from(child, i+1) })
	case jp.Descent:
		if err := w.from(v, i+1); err != nil {
			return err
		}
		return w.each(v, func(child any) error { return w.from(child, i) })
	case jp.Slice:
		return w.slice(v, s, i)
	case *jp.Filter:
		return w.each(v, func(child any) error {
			w.left -= filterSteps
			if !w.passes(s, i, child) {
				return nil
			}
			return w.from(child, i+1)
		})
	}
	return nil
}

func (w *walk) child(v any, name string, i int) error {
	if object, ok := v.(map[string]any); ok {
		if child, ok := object[name]; ok {
			return w.from(child, i+1)
		}
	}
	return nil
}

func (w *walk) nth(v any, n, i int) error {
	list, _ := v.([]any)
	if n < 0 {
		n += len(list)
	}
	if n < 0 || n >= len(list) {
		return nil
	}
	return w.from(list[n], i+1)
}

// each goes over the members of a value; those of an object by name, so that the
// same body is always judged alike.
func (w *walk) each(v any, next func(any) error) error {
	switch v := v.(type) {
	case []any:
		for _, child := range v {
			if err := next(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if w.left -= len(v); w.left < 0 {
			return errTooManySteps
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := next(v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// slice follows RFC 9535, 2.3.4.
func (w *walk) slice(v any, s jp.Slice, i int) error {
	list, _ := v.([]any)
	step := s[2]
	if step == jp.SliceNotSet {
		step = 1
	}
	if step == 0 || len(list) == 0 {
		return nil
	}
	place := func(n, unset, least, most int) int {
		switch {
		case n == jp.SliceNotSet:
			return unset
		case n < 0:
			n += len(list)
		}
		return min(max(n, least), most)
	}
	n := len(list)
	start, end := place(s[0], 0, 0, n), place(s[1], n, 0, n)
	if step < 0 {
		start, end = place(s[0], n-1, -1, n-1), place(s[1], -1, -1, n-1)
	}
	for at := start; step > 0 && at < end || step < 0 && at > end; at += step {
		if err := w.from(list[at], i+1); err != nil {
			return err
		}
	}
	return nil
}

// passes asks the filter. The library panics when it compares two objects, which
// is what a target may send.
func (w *walk) passes(f *jp.Filter, i int, v any) (ok bool) {
	if x := w.path.bare[i]; x != nil {
		sub := walk{path: &Path{steps: x[1:]}, left: len(x) + 1}
		return sub.from(v, 0) == nil && len(sub.found) > 0
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f.Match(v)
}
