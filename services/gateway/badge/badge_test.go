package badge_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/gateway/badge"
)

// parts reads a picture and returns what it is made of; it fails for what is no XML, and for anything that a badge does not need.
func parts(t testing.TB, svg []byte) (text string, names []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text, names
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		switch x := token.(type) {
		case xml.StartElement:
			names = append(names, x.Name.Local)
			switch x.Name.Local {
			case "svg", "title", "rect", "path", "g", "text":
			default:
				t.Fatalf("element %s in %s", x.Name.Local, svg)
			}
			for _, a := range x.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" || a.Name.Local == "style" {
					t.Fatalf("attribute %s in %s", a.Name.Local, svg)
				}
			}
		case xml.CharData:
			if len(names) > 0 && names[len(names)-1] == "text" {
				text += string(x) + "|"
			}
		}
	}
}

func TestBadgeSaysBoth(t *testing.T) {
	for _, style := range []badge.Style{badge.Flat, badge.FlatSquare} {
		svg := badge.Badge{Label: "api", Message: "up", Tone: badge.Good}.SVG(style)
		if text, _ := parts(t, svg); text != "api|up|" {
			t.Errorf("%s says %q", style, text)
		}
		if !strings.Contains(string(svg), `aria-label="api: up"`) || !strings.Contains(string(svg), badge.Good.Color()) {
			t.Errorf("%s: %s", style, svg)
		}
	}
}

func TestUnknownIsNeverGreen(t *testing.T) {
	if badge.Unknown.Color() == badge.Good.Color() || badge.Tone("new").Color() != badge.Unknown.Color() {
		t.Error("what is unknown looks as if it were well")
	}
}

func FuzzBadgeIsAPicture(f *testing.F) {
	for _, s := range []string{"", "api", `"><svg onload=alert(1)>`, "]]>", "\x00\x1b\xff\ufffe", strings.Repeat("🐸", 300), "\u202egnol", "a&amp;b"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, label, message string) {
		for _, style := range []badge.Style{badge.Flat, badge.FlatSquare} {
			svg := badge.Badge{Label: label, Message: message, Tone: badge.Bad}.SVG(style)
			_, names := parts(t, svg)
			if n := strings.Count(strings.Join(names, " "), "text"); n > 2 || len(svg) > 8192 {
				t.Fatalf("%d texts, %d bytes", n, len(svg))
			}
		}
	})
}
