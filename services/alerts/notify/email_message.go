package notify

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	mailmsg "github.com/wneessen/go-mail"
)

// The limits of what is mailed, in characters.
const (
	mailSubject = 200
	mailText    = 10000
	mailFacts   = 25
	mailFact    = 500
)

// write makes the message, with headers. Its Message-ID is the same for every attempt, so that one that arrives twice is known
// as the same, and messages of one trouble refer to the same thread.
func (l letter) write(p Parcel) ([]byte, error) {
	w := p.Words
	m := mailmsg.NewMsg(mailmsg.WithNoDefaultUserAgent())
	if err := m.From(l.from); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := m.To(l.to...); err != nil {
		return nil, fmt.Errorf("recipients: %w", err)
	}
	thread := "<" + idPart(w.Thread) + "@" + l.domain + ">"
	m.Subject(OneLine(w.Title, mailSubject))
	m.SetDateWithValue(p.At)
	m.SetMessageIDWithValue(idPart(p.ID) + "@" + l.domain)
	m.SetGenHeader(mailmsg.HeaderInReplyTo, thread)
	m.SetGenHeader(mailmsg.HeaderReferences, thread)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(mailmsg.HeaderXAutoResponseSuppress, "All")
	m.SetGenHeader("List-Id", productName+" <frogup."+l.domain+">")
	if w.Action == Trigger && (w.Severity == Critical || w.Severity == High) {
		m.SetImportance(mailmsg.ImportanceHigh)
	}
	page, err := mailPage(w)
	if err != nil {
		return nil, err
	}
	m.SetBodyString(mailmsg.TypeTextPlain, fit(w.plain(), mailText, inUnits)+"\n")
	m.AddAlternativeString(mailmsg.TypeTextHTML, page)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return b.Bytes(), nil
}

// idPart is text as it may stand in a Message-ID.
func idPart(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, text)
}

// mailLayout works without images, scripts or fetched styles. The colours are those of a light page; clients that prefer dark
// ones take the second set.
var mailLayout = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; padding: 16px; background: #f4f5f7; color: #1b1f24; font: 15px/1.5 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.card { max-width: 600px; margin: 0 auto; padding: 20px 24px; background: #ffffff; border-left: 5px solid; border-radius: 4px; }
h1 { margin: 0 0 12px; font-size: 18px; overflow-wrap: anywhere; }
p { margin: 0 0 16px; white-space: pre-line; overflow-wrap: anywhere; }
table { width: 100%; margin: 0 0 16px; border-collapse: collapse; font-size: 14px; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { width: 30%; color: #5b6470; font-weight: normal; }
a { color: #1256b0; }
@media (prefers-color-scheme: dark) {
body { background: #14171a; color: #e6e8ea; }
.card { background: #1f2428; }
th { color: #a0a8b0; }
a { color: #7ab4ff; }
}
</style>
</head>
<body>
<div class="card" style="border-left-color: {{.Colour}}">
<h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>
{{end}}{{with .Facts}}<table role="presentation">
{{range .}}<tr><th>{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}</table>
{{end}}{{with .Link}}<p><a href="{{.}}">` + openLink + `</a></p>
{{end}}</div>
</body>
</html>
`))

func mailPage(w Words) (string, error) {
	var facts []Fact
	for _, f := range w.Facts[:min(len(w.Facts), mailFacts)] {
		facts = append(facts, Fact{fit(f.Name, mailFact, inUnits), fit(f.Value, mailFact, inUnits)})
	}
	var b strings.Builder
	err := mailLayout.Execute(&b, map[string]any{
		"Title": OneLine(w.Title, mailText), "Text": fit(w.Text, mailText, inUnits), "Facts": facts, "Link": w.Link,
		"Colour": template.CSS(fmt.Sprintf("#%06x", w.look().colour)),
	})
	if err != nil {
		return "", fmt.Errorf("page: %w", err)
	}
	return b.String(), nil
}
