package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A TypeScript client that is generated from the document that the server serves
// compiles, refuses what the document forbids, and works.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s to generate and compile a client", tool)
		}
	}
	s, target := start(t), newSite(t, nil)
	dir := filepath.Join(t.TempDir(), "client")
	if err := os.CopyFS(dir, os.DirFS("openapi-client")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil { // somebody may have tried it by hand
		t.Fatal(err)
	}
	document := s.do("GET", "/api/openapi.json", nil, "Authorization", "")
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document.body, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) ([]byte, error) {
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir = dir
		return c.CombinedOutput()
	}
	if out, err := run("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"); err != nil {
		t.Skipf("npm cannot install the generator and the compiler here: %v\n%s", err, tail(string(out), 2000))
	}
	for _, script := range []string{"generate", "compile"} {
		if out, err := run("npm", "run", script); err != nil {
			t.Fatalf("npm run %s: %v\n%s", script, err, tail(string(out), 8000))
		}
	}
	client := exec.CommandContext(t.Context(), "node", "dist/client.js", s.base, adminKey, target.url())
	client.Dir, client.Stderr = dir, os.Stderr
	out, err := client.Output()
	if err != nil {
		t.Fatalf("the client fails: %v\n%s", err, out)
	}
	var said struct {
		ID, Listed, Alert int
		Status, Name      string
		Code              *int
		Milliseconds      *int
		Field, Health     string
		Channel           []string
		Token             bool
		Removed, TTL      int
		Notices           *int
		Incidents         *int
	}
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("the client says %s: %v", out, err)
	}
	if said.ID == 0 || said.Alert == 0 || said.Listed != 1 || said.Status != "success" || said.Name != "renamed" || said.Code == nil ||
		*said.Code != 200 || said.Milliseconds == nil || said.Field != "name" || said.Incidents == nil {
		t.Errorf("the client says %s", out)
	}
	if !said.Token || said.Removed != 204 || said.Health != "healthy" || said.TTL != 30 || said.Notices == nil || *said.Notices != 0 ||
		len(said.Channel) != 1 || said.Channel[0] != "operator" {
		t.Errorf("of probers, notices and resolvers the client says %s", out)
	}
}
