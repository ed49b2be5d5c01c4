package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

var sampleLetter = letter{
	from: "Frogstats Uptime <alerts@example.com>", sender: "alerts@example.com", domain: "example.com",
	to: []string{"ops@example.com", "Ämter <desk@example.org>"}, recipients: []string{"ops@example.com", "desk@example.org"},
}

// checkLetter reads a message the way mail clients do: RFC 5322, MIME, and the headers of RFC 3834 and RFC 2919.
func checkLetter(raw []byte, p Parcel) error {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			return fmt.Errorf("line of %d bytes", len(line))
		}
	}
	w := p.Words
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != OneLine(w.Title, mailSubject) {
		return fmt.Errorf("subject %q, %w", subject, err)
	}
	for name, want := range map[string]string{
		"Message-Id": "<" + p.ID + "@example.com>", "In-Reply-To": "<" + w.Thread + "@example.com>", "References": "<" + w.Thread + "@example.com>",
		"Auto-Submitted": "auto-generated", "List-Id": "Frogstats Uptime <frogup.example.com>", "Mime-Version": "1.0",
	} {
		if got := m.Header[name]; len(got) != 1 || got[0] != want {
			return fmt.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Address != "alerts@example.com" {
		return fmt.Errorf("from %v, %w", from, err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 2 || to[1].Name != "Ämter" {
		return fmt.Errorf("to %v, %w", to, err)
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(p.At.Truncate(time.Second)) || m.Header.Get("Bcc") != "" {
		return fmt.Errorf("date %s, %w", at, err)
	}
	return checkParts(m, w)
}

func checkParts(m *mail.Message, w Words) error {
	media, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		return fmt.Errorf("content of type %s, %w", media, err)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for i, want := range []string{"text/plain", "text/html"} { // the best comes last
		part, err := parts.NextRawPart()
		if err != nil {
			return err
		}
		media, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || media != want || !strings.EqualFold(parameters["charset"], "utf-8") || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			return fmt.Errorf("part %d: %v, %w", i, part.Header, err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !utf8.Valid(body) {
			return fmt.Errorf("part %d: %w", i, err)
		}
		text := string(body)
		if want == "text/html" {
			if text, err = visible(body); err != nil {
				return err
			}
		}
		if !strings.Contains(strings.Join(strings.Fields(text), " "), OneLine(w.Title, mailSubject-1)[:10]) {
			return fmt.Errorf("part %d does not hold the title: %.100q", i, text)
		}
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than two parts: %w", err)
	}
	return nil
}

// visible is the text of a page that has nothing in it but what the layout has.
func visible(page []byte) (string, error) {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "title":
			b.WriteString(n.Data)
		case n.Type == html.ElementNode:
			if !strings.Contains(" html head meta title style body div h1 p table tbody tr th td a ", " "+n.Data+" ") {
				return "", fmt.Errorf("element %s", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "href" && a.Val != sampleWords().Link || strings.HasPrefix(a.Key, "on") || a.Key == "src" {
					return "", fmt.Errorf("attribute %s=%q", a.Key, a.Val)
				}
			}
		}
	}
	return b.String(), nil
}

func TestLetters(t *testing.T) {
	resolved, bare, injected := sampleParcel(), sampleParcel(), sampleParcel()
	resolved.ID, resolved.Words.Action = "msg_other", Resolve // of the same thread
	bare.Words.Facts, bare.Words.Link, bare.Words.Text = nil, "", ""
	injected.Words.Title = "x is down\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>"
	injected.Words.Text = injected.Words.Title + "\r\n.\r\nMAIL FROM:<x@y>"
	for name, p := range map[string]Parcel{"sample": sampleParcel(), "huge": hugeParcel(), "resolved": resolved, "bare": bare, "injected": injected} {
		raw, err := sampleLetter.write(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkLetter(raw, p); err != nil {
			t.Errorf("%s: %v\n%.600s", name, err, raw)
		}
	}
}

func TestLetterPage(t *testing.T) {
	w := sampleWords()
	page, err := mailPage(w)
	if err != nil {
		t.Fatal(err)
	}
	text, err := visible([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{w.Title, w.Text, w.Facts[0].Value, openLink} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
	for _, want := range []string{"border-left-color: #c62828", "prefers-color-scheme: dark", `name="color-scheme" content="light dark"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q:\n%s", want, page)
		}
	}
	w.Link = "javascript:alert(1)"
	if page, err = mailPage(w); err != nil || strings.Contains(page, "javascript:") {
		t.Errorf("a link that is none: %v", err)
	}
}

// Urgent messages are marked as such, and the one that ends the trouble is not.
func TestLetterImportance(t *testing.T) {
	for want, change := range map[string]func(*Words){
		"high": func(*Words) {},
		"":     func(w *Words) { w.Action = Resolve },
	} {
		p := sampleParcel()
		change(&p.Words)
		raw, err := sampleLetter.write(p)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil || m.Header.Get("Importance") != want {
			t.Errorf("importance %q, want %q, %v", m.Header.Get("Importance"), want, err)
		}
	}
}

// Whatever a message says, it stays one message of these headers.
func FuzzLetter(f *testing.F) {
	f.Add("title", "text\r\n.\r\n", "msg_1", "thread")
	f.Add("\r\nBcc: x@y", "\x00\xff", "a>\r\nX: y", "<>@")
	f.Fuzz(func(t *testing.T, title, text, id, thread string) {
		p := sampleParcel()
		p.ID, p.Words.Title, p.Words.Text, p.Words.Thread = id, title, text, thread
		raw, err := sampleLetter.write(p)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Header) != 16 || m.Header.Get("Message-Id") != "<"+idPart(id)+"@example.com>" {
			t.Errorf("headers %v", m.Header)
		}
	})
}
