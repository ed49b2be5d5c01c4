package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"pgregory.net/rapid"

	"github.com/frogstats/uptime/internal/bubbletest"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func signer(t testing.TB, key []byte) *Signer {
	t.Helper()
	s, err := NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAllows(t *testing.T) {
	all := []Access{AccessUnspecified, AccessPublic, AccessUser, AccessViewer, AccessEditor, AccessAdmin, AccessOwner, AccessService, AccessProber, 9, -1}
	member := func(k Kind, r Role) Principal {
		return Principal{Kind: k, UserID: "u", KeyID: "k", OrganizationID: "o", Role: r}
	}
	tests := map[string]struct {
		p    Principal
		want []Access
	}{
		"nobody":                     {Anonymous, []Access{AccessPublic}},
		"user without organization":  {Principal{Kind: KindUser, UserID: "u"}, []Access{AccessPublic, AccessUser}},
		"role without organization":  {Principal{Kind: KindUser, UserID: "u", Role: RoleOwner}, []Access{AccessPublic, AccessUser}},
		"user without id":            {Principal{Kind: KindUser, OrganizationID: "o", Role: RoleOwner}, []Access{AccessPublic}},
		"viewer":                     {member(KindUser, RoleViewer), []Access{AccessPublic, AccessUser, AccessViewer}},
		"editor":                     {member(KindUser, RoleEditor), []Access{AccessPublic, AccessUser, AccessViewer, AccessEditor}},
		"admin":                      {member(KindUser, RoleAdmin), []Access{AccessPublic, AccessUser, AccessViewer, AccessEditor, AccessAdmin}},
		"owner":                      {member(KindUser, RoleOwner), []Access{AccessPublic, AccessUser, AccessViewer, AccessEditor, AccessAdmin, AccessOwner}},
		"unknown role":               {member(KindUser, "root"), []Access{AccessPublic, AccessUser}},
		"key of an editor":           {member(KindAPIKey, RoleEditor), []Access{AccessPublic, AccessUser, AccessViewer, AccessEditor}},
		"key without id":             {Principal{Kind: KindAPIKey, OrganizationID: "o", Role: RoleOwner}, []Access{AccessPublic}},
		"service":                    {Principal{Kind: KindService, Name: "events"}, []Access{AccessPublic, AccessService, AccessProber}},
		"service in an owner's coat": {Principal{Kind: KindService, Name: "events", UserID: "u", OrganizationID: "o", Role: RoleOwner}, []Access{AccessPublic, AccessService, AccessProber}},
		"service without a name":     {Principal{Kind: KindService}, []Access{AccessPublic}},
		"prober":                     {Principal{Kind: KindProber, Name: "eu-1", Region: "eu"}, []Access{AccessPublic, AccessProber}},
		"prober without a region":    {Principal{Kind: KindProber, Name: "eu-1"}, []Access{AccessPublic}},
		"prober without a name":      {Principal{Kind: KindProber, Region: "eu"}, []Access{AccessPublic}},
		"prober in an owner's coat":  {Principal{Kind: KindProber, Name: "eu-1", Region: "eu", UserID: "u", OrganizationID: "o", Role: RoleOwner}, []Access{AccessPublic, AccessProber}},
		"unknown kind":               {member("root", RoleOwner), []Access{AccessPublic}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := map[Access]bool{}
			for _, a := range tt.want {
				want[a] = true
			}
			for _, a := range all {
				if got := tt.p.Allows(a); got != want[a] {
					t.Errorf("Allows(%d) = %v, want %v", a, got, want[a])
				}
			}
		})
	}
}

func TestRoleOrder(t *testing.T) {
	order := []Role{RoleViewer, RoleEditor, RoleAdmin, RoleOwner}
	for i, a := range order {
		for j, b := range order {
			if got := a.AtLeast(b); got != (i >= j) {
				t.Errorf("%s at least %s: %v", a, b, got)
			}
		}
		if a.AtLeast("") || Role("").AtLeast(a) || !a.Valid() {
			t.Errorf("%s against no role", a)
		}
	}
	if Role("").AtLeast("") {
		t.Error("no role is at least no role")
	}
}

func TestActorID(t *testing.T) {
	p := Principal{UserID: "u", KeyID: "k", Name: "n"}
	for kind, want := range map[Kind]string{KindUser: "u", KindAPIKey: "k", KindService: "n", "": ""} {
		if p.Kind = kind; p.ActorID() != want {
			t.Errorf("actor of kind %q is %q, want %q", kind, p.ActorID(), want)
		}
	}
}

func genPrincipal(t *rapid.T) Principal {
	s := rapid.String()
	return Principal{
		Kind: Kind(s.Draw(t, "kind")), UserID: s.Draw(t, "user"), OrganizationID: s.Draw(t, "org"), Role: Role(s.Draw(t, "role")),
		SessionID: s.Draw(t, "session"), KeyID: s.Draw(t, "key"), Name: s.Draw(t, "name"), RemoteIP: s.Draw(t, "ip"), Region: s.Draw(t, "region"),
	}
}

func TestSignedPrincipalRoundTrips(t *testing.T) {
	s := signer(t, testKey)
	rapid.Check(t, func(t *rapid.T) {
		want := genPrincipal(t)
		got, err := s.Verify(s.Sign(want))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestEncodingIsUnambiguous(t *testing.T) {
	at := time.UnixMilli(1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := genPrincipal(t), genPrincipal(t)
		if same := string(encode(a, at)) == string(encode(b, at)); same != (a == b) {
			t.Fatalf("%+v and %+v encode alike: %v", a, b, same)
		}
	})
}

func TestVerifyRefuses(t *testing.T) {
	s := signer(t, testKey)
	token := s.Sign(Principal{Kind: KindUser, UserID: "u", OrganizationID: "o", Role: RoleViewer})
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, token string) {
		t.Helper()
		if p, err := s.Verify(token); !errors.Is(err, ErrBadSignature) || p != (Principal{}) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	refused("nothing", "")
	refused("garbage", "!!!")
	refused("short", "AAAA")
	refused("line break", token+"\n")
	refused("another key", signer(t, []byte(strings.Repeat("x", 32))).Sign(Principal{Kind: KindService, Name: "events"}))
	for i := range raw {
		flipped := append([]byte(nil), raw...)
		flipped[i] ^= 1
		refused("flipped bit", base64.RawURLEncoding.EncodeToString(flipped))
		refused("cut short", base64.RawURLEncoding.EncodeToString(raw[:i]))
	}
	// Signed by the right key, yet not in the canonical form.
	for what, body := range map[string][]byte{
		"other version": append([]byte{version + 1}, raw[1:len(raw)-32]...),
		"trailing byte": append(append([]byte(nil), raw[:len(raw)-32]...), 0),
		"empty":         {},
	} {
		refused(what, base64.RawURLEncoding.EncodeToString(append(append([]byte(nil), body...), s.mac(body)...)))
	}
}

func TestSignatureExpires(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		s := signer(t, testKey)
		token := s.Sign(Principal{Kind: KindService, Name: "events"})
		<-time.After(Validity)
		if _, err := s.Verify(token); err != nil {
			t.Errorf("after %v: %v", Validity, err)
		}
		<-time.After(time.Millisecond)
		if _, err := s.Verify(token); !errors.Is(err, ErrBadSignature) {
			t.Errorf("after more than %v: %v", Validity, err)
		}
		body := encode(Principal{Kind: KindService, Name: "events"}, time.Now().Add(Validity+time.Second))
		future := base64.RawURLEncoding.EncodeToString(append(body, s.mac(body)...))
		if _, err := s.Verify(future); !errors.Is(err, ErrBadSignature) {
			t.Errorf("from the future: %v", err)
		}
	})
}

func TestShortKeyIsRefused(t *testing.T) {
	if _, err := NewSigner(make([]byte, 31)); err == nil {
		t.Error("31 bytes were accepted")
	}
}

func TestMetadata(t *testing.T) {
	s := signer(t, testKey)
	want := Principal{Kind: KindUser, UserID: "u"}
	ctx := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(MetadataKey, "forged", "other", "kept"))
	ctx = s.Outgoing(ctx, want)

	md, _ := metadata.FromOutgoingContext(ctx)
	if got := md.Get("other"); len(got) != 1 || got[0] != "kept" {
		t.Errorf("other metadata became %v", got)
	}
	in := metadata.NewIncomingContext(context.Background(), md)
	if got, err := s.Incoming(in); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}

	twice := metadata.Join(md, metadata.Pairs(MetadataKey, md.Get(MetadataKey)[0]))
	if _, err := s.Incoming(metadata.NewIncomingContext(context.Background(), twice)); !errors.Is(err, ErrBadSignature) {
		t.Errorf("two principals: %v", err)
	}
	if got, err := s.Incoming(context.Background()); err != nil || !got.IsAnonymous() {
		t.Errorf("no metadata: %+v, %v", got, err)
	}
	md, _ = metadata.FromOutgoingContext(s.Outgoing(ctx, Anonymous))
	if got := md.Get(MetadataKey); len(got) != 0 {
		t.Errorf("anonymous sends %v", got)
	}
}

func TestContext(t *testing.T) {
	if _, ok := FromContext(context.Background()); ok {
		t.Error("a principal from nowhere")
	}
	if p, ok := FromContext(NewContext(context.Background(), Anonymous)); !ok || !p.IsAnonymous() {
		t.Error("anonymous is not kept apart from nothing")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(Principal{Kind: KindUser, UserID: "u"}, time.UnixMilli(1)))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, at, err := decode(b)
		if err != nil {
			return
		}
		again, atAgain, err := decode(encode(p, at))
		if err != nil || again != p || !atAgain.Equal(at) {
			t.Errorf("%+v at %v came back as %+v at %v, %v", p, at, again, atAgain, err)
		}
	})
}
