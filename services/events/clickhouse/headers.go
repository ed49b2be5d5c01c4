package clickhouse

import (
	"encoding/json"

	"github.com/frogstats/uptime/services/events"
)

// maxTexts bounds the encoded header sets that are remembered; a full memory is emptied.
const maxTexts = 50_000

// headers is the text of the headers that are kept of a result; "" for none.
func (w *writer) headers(r *events.Result) string {
	if len(r.Headers) == 0 {
		return ""
	}
	if w.sets == nil {
		w.sets, w.texts = events.NewHeaderSets(), map[uint64]string{}
	}
	id, kept := w.sets.Keep(events.AnswerKind{MonitorID: r.MonitorID, Config: r.ConfigVersion, Outcome: r.Outcome, Code: r.StatusCode}, r.Headers)
	if len(kept) == 0 {
		return ""
	}
	if text, ok := w.texts[id]; ok {
		return text
	}
	text, err := json.Marshal(kept) // sorts by name
	if err != nil {
		panic(err) // strings always encode
	}
	if len(w.texts) >= maxTexts {
		clear(w.texts)
	}
	w.texts[id] = string(text)
	return w.texts[id]
}
