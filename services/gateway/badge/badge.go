// Package badge draws small pictures of two words: what it is, and how it is.
package badge

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tone is what a message means; each has a colour on which white text can be read.
type Tone string

// The tones.
const (
	Good    Tone = "good"
	Fair    Tone = "fair"
	Bad     Tone = "bad"
	Planned Tone = "planned"
	Neutral Tone = "neutral"
	Unknown Tone = "unknown"
)

// Color is the tone's colour as #rrggbb. What is unknown is grey and never green.
func (t Tone) Color() string {
	switch t {
	case Good:
		return "#1a7f37"
	case Fair:
		return "#8a5a00"
	case Bad:
		return "#c4242e"
	case Planned:
		return "#3d5fc4"
	case Neutral:
		return "#2f6f8f"
	}
	return "#6b7280"
}

// Style is the shape of the picture.
type Style string

// The styles.
const (
	Flat       Style = "flat"        // round corners
	FlatSquare Style = "flat-square" // none
)

// Valid reports whether s is one of the styles.
func (s Style) Valid() bool { return s == Flat || s == FlatSquare }

// Badge is what a picture says.
type Badge struct {
	Label, Message string
	Tone           Tone
}

const (
	maxRunes = 60 // of either text; what is longer is cut
	height   = 20
	padding  = 6
)

// SVG draws the badge. It holds no script, no style element and no reference, whatever the texts are.
func (b Badge) SVG(style Style) []byte {
	label, message := shorten(b.Label), shorten(b.Message)
	left, right := width(label)+2*padding, width(message)+2*padding
	radius := 3
	if style == FlatSquare {
		radius = 0
	}
	var out bytes.Buffer
	title := escape(label + ": " + message)
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s"><title>%s</title>`, left+right, height, title, title)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="%d" fill="#3b4252"/>`, left+right, height, radius)
	// The right part is square at its left, so it is drawn as a path with two round corners.
	fmt.Fprintf(&out, `<path d="M%d 0h%da%d %d 0 0 1 %d %dv%da%d %d 0 0 1 -%d %dh-%dz" fill="%s"/>`,
		left, right-radius, radius, radius, radius, radius, height-2*radius, radius, radius, radius, radius, right-radius, b.Tone.Color())
	out.WriteString(`<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">`)
	text(&out, padding, label)
	text(&out, left+padding, message)
	out.WriteString(`</g></svg>`)
	return out.Bytes()
}

// text draws words into the width that was counted for them, whatever font the reader has.
func text(out *bytes.Buffer, x int, words string) {
	if words != "" {
		fmt.Fprintf(out, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`, x, width(words), escape(words))
	}
}

// shorten cuts what is too long, and takes out what cannot be seen or turns the order of letters round.
func shorten(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= maxRunes {
		return s
	}
	return string([]rune(s)[:maxRunes-1]) + "…"
}

// width is about how many pixels text takes in Verdana of 11 pixels.
func width(s string) int {
	var tenths int
	for _, r := range s {
		switch {
		case strings.ContainsRune("ijlI.,:;'|!()[] ", r):
			tenths += 40
		case strings.ContainsRune("mwMW@%", r):
			tenths += 105
		case unicode.IsUpper(r):
			tenths += 78
		case r < 0x0250:
			tenths += 68
		default:
			tenths += 115
		}
	}
	return (tenths + 9) / 10
}

// escape makes text of whatever it is given.
func escape(s string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(s)) // a builder never fails
	return out.String()
}
