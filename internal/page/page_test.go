package page

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/fault"
)

type cursor struct {
	At int64  `json:"at"`
	ID string `json:"id"`
}

var codec = NewCodec([]byte("0123456789abcdef0123456789abcdef"))

func TestTokensRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scope := Scope(rapid.SliceOf(rapid.String()).Draw(t, "scope")...)
		want := cursor{At: rapid.Int64().Draw(t, "at"), ID: rapid.StringMatching(`[ -~é]*`).Draw(t, "id")}
		if len(want.ID) > 1000 {
			t.Skip("longer than any key of ours")
		}
		var got cursor
		if err := codec.Decode(scope, codec.Encode(scope, want), &got); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestForeignTokensAreRefused(t *testing.T) {
	scope := Scope("List", "org-1", "enabled=true")
	token := codec.Encode(scope, cursor{At: 1, ID: "a"})
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(i int) string {
		b := append([]byte(nil), raw...)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	tests := map[string]struct {
		codec        *Codec
		scope, token string
	}{
		"other organization": {codec, Scope("List", "org-2", "enabled=true"), token},
		"other filter":       {codec, Scope("List", "org-1", "enabled=false"), token},
		"parts shifted":      {codec, Scope("List", "org-1enabled=true", ""), token},
		"other key":          {NewCodec([]byte("another")), scope, token},
		"changed signature":  {codec, scope, flipped(0)},
		"changed cursor":     {codec, scope, flipped(len(raw) - 2)},
		"cut short":          {codec, scope, token[:len(token)-4]},
		"garbage":            {codec, scope, "%%%"},
		"line break":         {codec, scope, token + "\n"},
		"padded":             {codec, scope, token + "="},
		"too short":          {codec, scope, "AAAA"},
		"too long":           {codec, scope, strings.Repeat("A", maxTokenBytes+1)},
		"of another shape":   {codec, scope, codec.Encode(scope, map[string]int{"offset": 3})},
		"of another type":    {codec, scope, codec.Encode(scope, "text")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got cursor
			err := tt.codec.Decode(tt.scope, tt.token, &got)
			if !fault.Is(err, fault.KindInvalid) {
				t.Fatalf("got %+v, %v, want invalid", got, err)
			}
			if f := fault.FromStatus(fault.ToStatus(err)); len(f.Fields) != 1 || f.Fields[0].Name != "page_token" {
				t.Errorf("fields %+v", f.Fields)
			}
		})
	}
}

func TestNoTokenIsTheFirstPage(t *testing.T) {
	got := cursor{At: 5}
	if err := codec.Decode(Scope("x"), "", &got); err != nil || got.At != 5 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestScopeIsUnambiguous(t *testing.T) {
	if Scope("ab", "c") == Scope("a", "bc") || Scope("a") == Scope("a", "") || Scope() == Scope("") {
		t.Error("two lists of parts give one scope")
	}
}

func TestEncodePanicsOnWhatIsNoCursor(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NaN became a token")
		}
	}()
	codec.Encode("x", math.NaN())
}

func TestSize(t *testing.T) {
	for _, tt := range []struct{ requested, want int }{{0, 50}, {1, 1}, {50, 50}, {1000, 1000}, {1001, 1000}, {math.MaxInt, 1000}} {
		if got, err := Size(tt.requested, 50, 1000); err != nil || got != tt.want {
			t.Errorf("Size(%d) = %d, %v, want %d", tt.requested, got, err, tt.want)
		}
	}
	if got, err := Size(uint32(math.MaxUint32), 50, 1000); err != nil || got != 1000 {
		t.Errorf("Size of the largest uint32 = %d, %v", got, err)
	}
	if _, err := Size(int32(-1), 50, 1000); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("negative size: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("List", "")
	f.Add("List", codec.Encode("List", cursor{At: 1, ID: "a"}))
	f.Add("Other", codec.Encode("List", cursor{At: 1, ID: "a"}))
	f.Fuzz(func(t *testing.T, scope, token string) {
		var got cursor
		err := codec.Decode(scope, token, &got)
		if err != nil {
			if !fault.Is(err, fault.KindInvalid) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if token != "" && codec.Encode(scope, got) != token {
			t.Errorf("token %q was accepted, and is not ours", token)
		}
	})
}
