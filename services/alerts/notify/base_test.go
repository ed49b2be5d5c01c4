package notify

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A provider may repeat what it was sent. Wherever its words are cut, no part of a secret stays in them, nor of one in the form in
// which it was sent.
func TestWordsAreCutAfterSecrets(t *testing.T) {
	for name, given := range map[string]map[string]any{
		"pagerduty":  {"routing_key": canary},
		"twilio_sms": {"account_sid": testAccount, "auth_token": canary, "to": "+4930123456", "from": "+15005550006"},
		"ntfy":       {"topic": "frog-topic", "username": "bob", "password": canary},
	} {
		for _, secret := range []string{
			canary, base64.StdEncoding.EncodeToString([]byte(testAccount + ":" + canary)), base64.StdEncoding.EncodeToString([]byte("bob:" + canary)),
		} {
			filler := 0
			base := stand(t, func(w http.ResponseWriter, r *http.Request) {
				sent := secret
				if secret != canary {
					if _, sent, _ = strings.Cut(r.Header.Get("Authorization"), " "); sent == "" {
						sent = canary
					}
				}
				words := strings.Repeat("x", filler) + sent
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write(encode(map[string]any{"message": words, "error": words, "code": 1}))
			})
			set := merged(t, name, with(given, map[string]any{"base_url": base}))
			for filler = 0; filler < maxError; filler += 7 {
				r := All[name].Send(t.Context(), guarded(t), set, sampleParcel())
				if strings.Contains(r.Error, secret[:5]) || units(r.Error) > maxError || !strings.Contains(r.Error, "400") {
					t.Fatalf("%s: %q", name, r.Error)
				}
			}
		}
	}
}

func TestCheckBase(t *testing.T) {
	for text, good := range map[string]bool{
		"https://push.example.com": true, "https://example.com/push/": true, "http://192.0.2.1:8080": true,
		"push.example.com": false, "https://e/?a=b": false, "https://e/?": false, "https://e/#x": false, "https://u:p@e/": false, "ftp://e/": false,
	} {
		if problem := checkBase(text); (problem == "") != good {
			t.Errorf("%s: %q", text, problem)
		}
	}
	v := values{"base_url": "https://example.com/push/"}
	if got := v.at("/message"); got != "https://example.com/push/message" {
		t.Errorf("%s", got)
	}
}

func TestDetails(t *testing.T) {
	w := sampleWords()
	w.Facts = append(w.Facts, Fact{"", "nameless"}, Fact{"two\nlines", strings.Repeat("ß", 300)})
	got := w.details(250)
	if got["type"] != w.Type || got["two lines"] != strings.Repeat("ß", 249)+ellipsis || len(got) != len(sampleWords().Facts)+2 {
		t.Errorf("%v", got)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}
