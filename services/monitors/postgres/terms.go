package postgres

import (
	"hash/fnv"
	"io"
	"slices"

	"github.com/frogstats/uptime/services/monitors"
)

// A monitor's terms are hashes of what it can be found by: its labels, its regions and every three characters in a row of
// its search text, each together with its organization. One inverted index over them answers every such filter, and never
// with the monitors of others; built in, where trigram and multi-column inverted indexes are extensions that a server may
// not have.
//
// They are stored, so other terms need another column. A hash that two share costs a look at a row too many.

type termKind byte

const (
	labelKeyTerm   termKind = 'k'
	labelValueTerm termKind = 'v'
	regionTerm     termKind = 'r'
	textTerm       termKind = 't'
)

func term(organizationID string, kind termKind, parts ...string) int64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, organizationID) // a hash takes everything
	for _, p := range parts {
		_, _ = h.Write([]byte{0, byte(kind)})
		_, _ = io.WriteString(h, p)
	}
	return int64(h.Sum64()) //nolint:gosec // all 64 bits, whatever their sign
}

const gramRunes = 3

// terms are all of m's, sorted.
func terms(m monitors.Monitor) []int64 {
	org := m.OrganizationID
	text := []rune(m.Config.SearchText())
	out := make([]int64, 0, len(text)+2*len(m.Config.Labels)+len(m.Config.Regions))
	for key, value := range m.Config.Labels {
		out = append(out, term(org, labelKeyTerm, key), term(org, labelValueTerm, key, value))
	}
	for _, r := range m.Config.Regions {
		out = append(out, term(org, regionTerm, r))
	}
	for i := range len(text) - gramRunes + 1 {
		out = append(out, term(org, textTerm, string(text[i:i+gramRunes])))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// wantedGrams is how many grams of a text are looked up, spread over it. Each is one more list to read, and what they
// leave is compared with the text itself.
const wantedGrams = 8

// wantedTerms are those that a monitor must have to be chosen by f; none if f does not say, or only in a text that is too
// short.
func wantedTerms(f monitors.Filter) []int64 {
	var out []int64
	for _, l := range f.Labels {
		if l.Value == nil {
			out = append(out, term(f.OrganizationID, labelKeyTerm, l.Key))
		} else {
			out = append(out, term(f.OrganizationID, labelValueTerm, l.Key, *l.Value))
		}
	}
	if f.Region != "" {
		out = append(out, term(f.OrganizationID, regionTerm, f.Region))
	}
	text := []rune(f.Text)
	grams := len(text) - gramRunes + 1
	n := min(grams, wantedGrams)
	for i := range n {
		at := 0
		if n > 1 {
			at = i * (grams - 1) / (n - 1)
		}
		out = append(out, term(f.OrganizationID, textTerm, string(text[at:at+gramRunes])))
	}
	return out
}
