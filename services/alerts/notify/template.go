package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"mime"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// The caps of a template. It is written by whoever may edit a channel, and runs here.
const (
	maxTemplate = 16 << 10 // bytes of source
	maxRendered = 64 << 10 // bytes of what it makes, and of any text on the way
	maxTurns    = 10_000   // of all loops together
	renderTime  = 250 * time.Millisecond
)

var (
	errTooLong  = fmt.Errorf("makes more than %d bytes", maxRendered)
	errTooSlow  = fmt.Errorf("takes longer than %s", renderTime)
	errTurns    = fmt.Errorf("takes more than %d turns of its loops", maxTurns)
	errNested   = errors.New("must not define or include templates")
	errNoJSON   = errors.New(`makes no JSON of a message that holds quotation marks and line breaks; write {{json .title}} in place of "{{.title}}"`)
	builtinFree = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index"} // of text/template's own
)

// kitchen is one run of a template.
type kitchen struct {
	end   time.Time
	turns int
	out   strings.Builder
}

// render makes text of source and data, which has to be maps, lists, texts, numbers and truths only: a template can call what
// is given to it, so nothing that has methods is.
//
// There are no definitions and hence no recursion, every loop is counted, every function is ours or harmless, and what they
// make is measured, so that no template can take this process with it. Errors are for whoever wrote the template.
func render(source string, data map[string]any) (string, error) {
	if len(source) > maxTemplate {
		return "", fmt.Errorf("must have at most %d bytes", maxTemplate)
	}
	k := &kitchen{end: time.Now().Add(renderTime)}
	t, err := template.New("").Option("missingkey=error").Funcs(k.functions()).Parse(source)
	if err != nil {
		return "", plainly(err)
	}
	if t.Tree == nil || t.Tree.Root == nil {
		return "", nil
	}
	if len(t.Templates()) > 1 {
		return "", errNested
	}
	if err := k.guard(t.Tree.Root); err != nil {
		return "", err
	}
	if err := t.Execute(k, data); err != nil {
		return "", plainly(err)
	}
	return k.out.String(), nil
}

// plainly is an error of the library without what means nothing to people, or the one of ours that it wraps.
func plainly(err error) error {
	for _, ours := range []error{errTooLong, errTooSlow, errTurns} {
		if errors.Is(err, ours) {
			return ours
		}
	}
	text := strings.TrimPrefix(err.Error(), "template: :")
	return errors.New("does not work: line " + OneLine(strings.ReplaceAll(text, `executing "" at `, "at "), maxReason))
}

// Write takes what the template makes.
func (k *kitchen) Write(b []byte) (int, error) {
	if k.out.Len()+len(b) > maxRendered {
		return 0, errTooLong
	}
	return k.out.Write(b)
}

// step is called often enough that little can happen between two calls.
func (k *kitchen) step() error {
	if time.Now().After(k.end) {
		return errTooSlow
	}
	return nil
}

// turn is called at the beginning of every turn of a loop.
func (k *kitchen) turn() (string, error) {
	if k.turns++; k.turns > maxTurns {
		return "", errTurns
	}
	return "", k.step()
}

const turnName = "turn"

func (k *kitchen) functions() template.FuncMap {
	measured := func(s string) (string, error) {
		if len(s) > maxRendered {
			return "", errTooLong
		}
		return s, k.step()
	}
	return template.FuncMap{
		turnName: k.turn,
		"json": func(v any) (string, error) {
			if err := writable(v); err != nil {
				return "", err
			}
			return measured(string(encode(v)))
		},
		"html":     func(v any) (string, error) { return measured(html.EscapeString(textOf(v))) },
		"urlquery": func(v any) (string, error) { return measured(url.QueryEscape(textOf(v))) },
		"upper":    func(v any) (string, error) { return measured(strings.ToUpper(textOf(v))) },
		"lower":    func(v any) (string, error) { return measured(strings.ToLower(textOf(v))) },
		"oneline":  func(v any) (string, error) { return measured(OneLine(textOf(v), maxRendered)) },
		"cut":      func(limit int, v any) (string, error) { return measured(fit(textOf(v), max(limit, 0), inUnits)) },
		"join":     func(by string, list []any) (string, error) { return measured(joined(by, list)) },
		"default": func(fallback, v any) any {
			if set, _ := template.IsTrue(v); set {
				return v
			}
			return fallback
		},
	}
}

// writable refuses what JSON has no form for. Data has none of it, but templates have constants.
func writable(v any) error {
	switch v.(type) {
	case complex64, complex128:
		return errors.New("cannot be written as JSON")
	}
	return nil
}

func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

func joined(by string, list []any) string {
	var texts []string
	room := maxRendered
	for _, one := range list {
		text := textOf(one)
		if room -= len(text) + len(by); room < 0 {
			return strings.Repeat(" ", maxRendered+1) // measured refuses it
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, by)
}

// guard walks over the template, refuses what it must not have, and puts a turn into every loop.
func (k *kitchen) guard(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return k.guardAll(n.Nodes...)
	case *parse.ActionNode:
		return k.guard(n.Pipe)
	case *parse.IfNode:
		return k.guardAll(n.Pipe, n.List, n.ElseList)
	case *parse.WithNode:
		return k.guardAll(n.Pipe, n.List, n.ElseList)
	case *parse.RangeNode:
		if err := k.guardAll(n.Pipe, n.List, n.ElseList); err != nil {
			return err
		}
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, turnNode())
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			if err := k.guardAll(c.Args...); err != nil {
				return err
			}
		}
	case *parse.ChainNode:
		return k.guard(n.Node)
	case *parse.IdentifierNode:
		if _, ours := k.functions()[n.Ident]; n.Ident == turnName || !ours && !slices.Contains(builtinFree, n.Ident) {
			return fmt.Errorf("must not use the function %s", n.Ident)
		}
	case *parse.TemplateNode:
		return errNested
	}
	return nil
}

func (k *kitchen) guardAll(nodes ...parse.Node) error {
	for _, n := range nodes {
		if err := k.guard(n); err != nil {
			return err
		}
	}
	return nil
}

// turnNode is {{turn}}.
func turnNode() parse.Node {
	trees, err := parse.Parse("", "{{"+turnName+"}}", "", "", map[string]any{turnName: 0})
	if err != nil {
		panic(err) // a constant
	}
	return trees[""].Root.Nodes[0]
}

// rendered is what the template of a webhook makes of a message. JSON has to be JSON.
func rendered(source, media string, p Parcel) ([]byte, error) {
	s, err := p.story()
	if err != nil {
		return nil, err
	}
	text, err := render(source, s.data(p.Words))
	if err != nil {
		return nil, err
	}
	if isJSON(media) && !json.Valid([]byte(text)) {
		return nil, errNoJSON
	}
	return []byte(text), nil
}

func isJSON(media string) bool {
	name, _, err := mime.ParseMediaType(media)
	return err == nil && (name == jsonMedia || strings.HasSuffix(name, "+json"))
}

// data is what a template may read. Every key is always there, empty when there is nothing to say, so that a key that is
// missing is a mistake.
func (s story) data(w Words) map[string]any {
	d := s.Data
	facts := make([]any, 0, len(w.Facts))
	for _, f := range w.Facts {
		facts = append(facts, map[string]any{"name": f.Name, "value": f.Value})
	}
	return map[string]any{
		"id": s.ID, "type": s.Type, "time": s.Timestamp, "organization_id": d.OrganizationID,
		"title": w.Title, "text": w.Text, "facts": facts, "link": w.Link, "action": string(w.Action),
		"severity": string(w.Severity), "thread": w.Thread, "test": w.Test,
		"status": d.Status, "previous_status": d.PreviousStatus, "since": d.Since, "regions": anys(d.Regions),
		"error_type": d.ErrorType, "error_message": d.ErrorMessage, "delayed_ms": d.DelayedMS, "supersedes": anys(d.Supersedes),
		"monitor": map[string]any{"id": d.Monitor.ID, "name": d.Monitor.Name, "url": d.Monitor.URL},
		"incident": map[string]any{
			"id": d.Incident.ID, "status": d.Incident.Status, "start_time": d.Incident.StartTime, "end_time": d.Incident.EndTime,
			"affected_regions": anys(d.Incident.AffectedRegions), "failure_count": d.Incident.FailureCount,
			"last_error_type": d.Incident.LastErrorType, "last_error": d.Incident.LastError,
		},
		"alert": map[string]any{
			"id": d.Alert.ID, "history_id": d.Alert.HistoryID, "triggered_at": d.Alert.TriggeredAt, "resolved_at": d.Alert.ResolvedAt,
			"condition": d.Alert.Data.Condition, "value": d.Alert.Data.Value, "threshold": d.Alert.Data.Threshold, "region": d.Alert.Data.Region,
		},
		"group": map[string]any{
			"id": d.Group.ID, "name": d.Group.Name, "total": d.Group.Members.Total, "counted": d.Group.Members.Counted,
			"down": d.Group.Members.Down, "failing": d.Group.members(), "started_at": d.Group.StartedAt, "ended_at": d.Group.EndedAt,
		},
		"notice": map[string]any{
			"id": d.Notice.ID, "key": d.Notice.Key, "kind": d.Notice.Kind, "subject": d.Notice.Subject, "summary": d.Notice.Summary,
			"message": d.Notice.Message, "started_at": d.Notice.StartedAt, "ended_at": d.Notice.EndedAt,
		},
	}
}

// members are the failing ones, for a template to go through.
func (g storyGroup) members() []any {
	out := make([]any, 0, len(g.Failing))
	for _, m := range g.Failing {
		out = append(out, map[string]any{"id": m.ID, "name": m.Name, "status": m.Status, "since": m.Since})
	}
	return out
}

func anys(texts []string) []any {
	out := make([]any, 0, len(texts))
	for _, t := range texts {
		out = append(out, t)
	}
	return out
}

// checkTemplate says what is wrong with a template: it is tried on messages of several kinds, whose texts are awkward.
func checkTemplate(source, media string) string {
	for _, p := range samples() {
		if _, err := rendered(source, media, p); err != nil {
			return err.Error()
		}
	}
	return ""
}

// samples are messages of which one has everything, one next to nothing, one is about a group and one about no monitor.
func samples() []Parcel {
	const awkward = `a "quoted" \ name` + "\n<b>&"
	at, name := "2031-05-06T07:08:09.000Z", map[string]any{"id": 7, "name": awkward, "url": "https://api.example.com/?a=1&b=\"2\""}
	make := func(kind string, w Words, data map[string]any) Parcel {
		w.Type, w.Title, w.Text, w.Thread = kind, awkward, awkward, "frogup-sample"
		return Parcel{ID: "msg_sample", Words: w, Body: encode(map[string]any{"type": kind, "id": "msg_sample", "timestamp": at, "data": data})}
	}
	return []Parcel{
		make("monitor.recovered", Words{
			Facts: []Fact{{"Monitor", awkward}, {"Reason", awkward}}, Link: "https://uptime.example.com/incidents/3", Action: Resolve, Severity: Critical,
		}, map[string]any{
			"organization_id": "org", "monitor": name, "status": "up", "previous_status": "down", "since": at, "error_type": "timeout",
			"error_message": awkward, "regions": []string{"eu", "us"}, "delayed_ms": 5000, "supersedes": []string{"msg_before"},
			"incident": map[string]any{
				"id": 3, "status": "resolved", "start_time": at, "end_time": at, "affected_regions": []string{"eu"}, "failure_count": 2,
				"last_error_type": "timeout", "last_error": awkward,
			},
			"alert": map[string]any{"id": 1, "history_id": 2, "triggered_at": at, "resolved_at": at, "data": map[string]any{
				"condition": conditionLatency, "value": 1500.5, "threshold": 1000, "region": "eu",
			}},
		}),
		make("test", Words{Action: Info, Severity: Informational, Test: true}, map[string]any{"organization_id": "org"}),
		make("group.down", Words{Action: Trigger, Severity: Critical}, map[string]any{
			"organization_id": "org", "status": "down", "previous_status": "up", "since": at, "group": map[string]any{
				"id": 2, "name": awkward, "started_at": at, "members": map[string]any{"total": 3, "counted": 3, "down": 2},
				"failing": []any{map[string]any{"id": 7, "name": awkward, "status": "down", "since": at}},
			},
		}),
		make("notice.raised", Words{Action: Trigger, Severity: High}, map[string]any{"organization_id": "org", "notice": map[string]any{
			"id": 1, "key": "prober/eu-1/offline", "kind": "prober_offline", "subject": "eu-1", "summary": awkward, "message": awkward, "started_at": at,
		}}),
	}
}
