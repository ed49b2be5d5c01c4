package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

var matrixTrial = trial{
	settings: func(base string) map[string]any {
		return map[string]any{"homeserver": base + "/", "access_token": "syt_" + canary, "room_id": "!room:example.org"}
	},
	check:  checkMatrix,
	accept: reply{status: 200, body: `{"event_id":"$1"}`},
	limits: []limit{
		{reply{429, nil, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2500}`}, 2500 * time.Millisecond},
		{reply{429, map[string]string{"Retry-After": "3"}, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests"}`}, 3 * time.Second},
	},
	refuse: []reply{
		{status: 401, body: `{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token"}`},
		{status: 403, body: `{"errcode":"M_FORBIDDEN","error":"You are not in the room"}`},
	},
	words: "M_UNKNOWN_TOKEN Unrecognised access token",
}

// checkMatrix is the client-server API: PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}, and m.room.message.
func checkMatrix(r *http.Request, body []byte) error {
	if want := "/_matrix/client/v3/rooms/%21room:example.org/send/m.room.message/" + sampleParcel().ID; r.Method != http.MethodPut || r.URL.EscapedPath() != want {
		return fmt.Errorf("%s %s", r.Method, r.URL.EscapedPath())
	}
	if r.Header.Get("Authorization") != "Bearer syt_"+canary || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" {
		return fmt.Errorf("%v", r.Header)
	}
	if len(body) > 60<<10 { // the event, with what the server adds, may have 64 KiB
		return fmt.Errorf("%d bytes", len(body))
	}
	var m struct {
		MsgType       string `json:"msgtype"`
		Body          string `json:"body"`
		Format        string `json:"format"`
		FormattedBody string `json:"formatted_body"`
		Mentions      *struct {
			UserIDs []string `json:"user_ids"`
			Room    bool     `json:"room"`
		} `json:"m.mentions"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.MsgType != "m.text" || m.Body == "" || m.Format != "org.matrix.custom.html" || m.Mentions == nil || m.Mentions.Room || m.Mentions.UserIDs != nil {
		return fmt.Errorf("body %.200s", body)
	}
	return tagsAre(m.FormattedBody, "strong", "br", "a")
}

// The same message twice is one transaction, two messages are two.
func TestMatrixTransactions(t *testing.T) {
	var paths []string
	base := stand(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		matrixTrial.accept.write(w)
	})
	set := merged(t, "matrix", matrixTrial.settings(base))
	other := sampleParcel()
	other.ID = "msg_other"
	for _, p := range []Parcel{sampleParcel(), sampleParcel(), other} {
		if r := All["matrix"].Send(t.Context(), guarded(t), set, p); !r.OK {
			t.Fatal(r)
		}
	}
	if paths[0] != paths[1] || len(slices.Compact(paths)) != 2 {
		t.Error(paths)
	}
}
