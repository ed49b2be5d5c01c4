package accounts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	accountsv1 "github.com/frogstats/uptime/gen/go/frogstats/uptime/accounts/v1"
	"github.com/frogstats/uptime/internal/secret"
	"github.com/frogstats/uptime/services/accounts"
)

// Every secret that passes through, and none may stay: not in the file, not beside it, not in a log, not in an audit row.
func TestNoSecretIsLeftBehind(t *testing.T) {
	w := newWorld(t, accounts.BootstrapConfig{})
	secrets := map[string]string{
		"setup password": "canary-setup-password", "member password": "canary-member-password", "new password": "canary-new-password",
		"wrong password": "canary-wrong-password", "password in the wrong field": "canary-wrong-field", "operator's key": "canary-operator-key-1234567890",
	}
	secrets["older setup token"] = w.bootstrap(accounts.BootstrapConfig{}).SetupToken
	secrets["setup token"] = w.bootstrap(accounts.BootstrapConfig{}).SetupToken
	var head metadata.MD
	s, err := w.auth.CompleteSetup(stranger("192.0.2.1"), &accountsv1.CompleteSetupRequest{
		Token: secrets["setup token"], Email: ownerEmail, Password: secrets["setup password"],
	}, grpc.Header(&head))
	if err != nil {
		t.Fatal(err)
	}
	secrets["setup session"] = only(t, head, "x-session-token")
	w.bootstrap(accounts.BootstrapConfig{AdminAPIKey: secret.New(secrets["operator's key"])})
	ctx := w.with(secrets["setup session"])
	w.member(ctx, "toad@example.com", secrets["member password"], accountsv1.Role_ROLE_VIEWER)
	_, secrets["session"] = w.login("toad@example.com", secrets["member password"])
	for _, req := range []*accountsv1.LoginRequest{
		{Email: ownerEmail, Password: secrets["wrong password"]},
		{Email: secrets["password in the wrong field"], Password: secrets["wrong password"]},
	} {
		if _, err := w.auth.Login(stranger("192.0.2.1"), req); err == nil {
			t.Fatal("a wrong password signs in")
		}
	}
	if _, err := w.auth.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{CurrentPassword: secrets["setup password"], NewPassword: secrets["new password"]}); err != nil {
		t.Fatal(err)
	}
	k, err := w.orgs.CreateApiKey(ctx, &accountsv1.CreateApiKeyRequest{Name: "k", Role: accountsv1.Role_ROLE_ADMIN})
	if err != nil {
		t.Fatal(err)
	}
	secrets["key"] = k.GetKey()
	secrets["secret of the key"] = k.GetKey()[len(k.GetPrefix())+1:][:43]
	for _, key := range []string{secrets["key"], secrets["operator's key"]} {
		if _, err := w.resolveKey(key); err != nil {
			t.Fatal(err)
		}
	}

	places := map[string][]byte{"log": []byte(w.log.String())}
	if !bytes.Contains(places["log"], []byte("login refused")) {
		t.Error("the log was not listened to")
	}
	if bytes.Contains(places["log"], []byte("argon2id")) {
		t.Error("the log shows a password hash")
	}
	for _, r := range auditRows(t, w, s.GetOrganization().GetId()) {
		if bytes.Contains(r.Before, []byte("argon2id")) || bytes.Contains(r.After, []byte("argon2id")) {
			t.Errorf("audit row %s shows a password hash: %s -> %s", r.Action, r.Before, r.After)
		}
		places["audit row "+r.Action] = append(append([]byte(nil), r.Before...), r.After...)
	}
	files, err := filepath.Glob(w.path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files: %v, %v; want the database and its log", files, err)
	}
	for _, f := range files {
		if places[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	all := bytes.Join([][]byte{places["accounts.db"], places["accounts.db-wal"]}, nil)
	if !bytes.Contains(all, []byte(ownerEmail)) {
		t.Error("the files hold nothing at all: the search would find no secret either")
	}
	for where, content := range places {
		for name, value := range secrets {
			for form, text := range map[string]string{
				"plain": value, "hex": hex.EncodeToString([]byte(value)), "base64": base64.RawStdEncoding.EncodeToString([]byte(value)),
			} {
				if bytes.Contains(content, []byte(text)) {
					t.Errorf("%s is in the %s (%s)", name, where, form)
				}
			}
		}
	}
}
