package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/frogstats/uptime/cmd/frogup/config"
	"github.com/frogstats/uptime/internal/secret"
)

const canary = "canary-7f3a-do-not-print-this-anywhere"

// One file and one environment serve all roles, so a name means the same everywhere.
func TestASettingIsTheSameInEveryRole(t *testing.T) {
	first := map[string]*config.Setting{}
	for _, name := range roleNames() {
		for _, s := range SettingsOf(name).Settings() {
			other := first[s.Name]
			if other == nil {
				first[s.Name] = s
				continue
			}
			if s.Kind != other.Kind || s.Secret != other.Secret || s.DSN != other.DSN {
				t.Errorf("%s is %s (secret %t, DSN %t) in %s and %s (secret %t, DSN %t) elsewhere", s.Name, s.Kind, s.Secret, s.DSN, name, other.Kind, other.Secret, other.DSN)
			}
		}
	}
	if SettingsOf("nobody") != nil {
		t.Error("settings of a role that there is not")
	}
}

// A prober needs neither a database nor the keys that open stored credentials, the gateway not even an egress policy.
func TestRolesReadWhatTheyNeed(t *testing.T) {
	for name, without := range map[string][]string{
		"prober":    {"database", "history", "secret-keyset", "admin-password"},
		gatewayRole: {"database", "history", "secret-keyset", "egress"},
		"events":    {"secret-keyset", "admin-password", "egress"},
		"accounts":  {"secret-keyset", "egress", "history"},
	} {
		for _, setting := range without {
			if SettingsOf(name).Get(setting) != nil {
				t.Errorf("%s reads %s", name, setting)
			}
		}
	}
}

func TestRolesRefuseWhatCannotBeMeant(t *testing.T) {
	files := filepath.Join(t.TempDir(), "x")
	good := []string{"--cluster-key", strings.Repeat("k", 32), "--plaintext", "--database", "sqlite:" + files}
	with := func(args ...string) []string { return append(slices.Clone(good), args...) }
	for name, tt := range map[string]struct {
		role string
		args []string
		want string
	}{
		"nothing given":              {"accounts", nil, "cluster-key is required"},
		"short cluster key":          {"accounts", with("--cluster-key", "short"), "--cluster-key: must have at least 32 characters"},
		"no TLS and not plaintext":   {"accounts", []string{"--cluster-key", strings.Repeat("k", 32), "--database", "sqlite:x"}, "tls-cert, tls-key, tls-ca: required"},
		"half of TLS":                {"accounts", []string{"--tls-cert", "x", "--tls-ca", "y"}, "tls-key: required"},
		"TLS and plaintext":          {"accounts", with("--tls-cert", "x"), "plaintext and tls-cert contradict each other"},
		"no history":                 {"events", good, "history is required"},
		"no keyset":                  {"monitors", good, "secret-keyset is required"},
		"bad keyset":                 {"alerts", with("--secret-keyset", canary), "--secret-keyset: must be keys"},
		"engine that there is not":   {"accounts", with("--database", "mysql://root:"+canary+"@h/d"), `"mysql://root:***@h/d": must begin with`},
		"history in PostgreSQL":      {"events", with("--history", "postgres://h/d"), "--history"},
		"a file for all":             {serveRole, []string{"--database", "sqlite:x"}, "must begin with postgres:"},
		"port that is none":          {"accounts", with("--listen", "localhost"), `--listen "localhost": must be an address`},
		"peer without a port":        {"monitors", with("--events", "events"), `--events "events": must be host:port`},
		"peer with two slashes":      {"monitors", with("--events", "dns://events:7004"), "three slashes"},
		"region with a slash":        {"prober", []string{"--region", "a/b"}, "--region"},
		"negative":                   {"prober", []string{"--max-checks", "-1"}, "--max-checks \"-1\": must not be negative"},
		"delay without end":          {gatewayRole, []string{"--shutdown-delay", "1h"}, "--shutdown-delay \"1h\": must be at most 5m"},
		"too little retention":       {"events", with("--retention", "1m"), "must be at least 1h"},
		"ratio":                      {gatewayRole, []string{"--trace-ratio", "0"}, "above 0"},
		"format":                     {gatewayRole, []string{"--log-format", "xml"}, "must be json or text"},
		"metrics address":            {gatewayRole, []string{"--metrics-listen", "9090"}, "--metrics-listen"},
		"certificates not there":     {gatewayRole, []string{"--cluster-key", strings.Repeat("k", 32), "--tls-cert", files, "--tls-key", files, "--tls-ca", files, "--metrics-listen", "off"}, "load certificate " + files},
		"secret file not there":      {"accounts", []string{"--cluster-key-file", files}, "--cluster-key-file: open " + files},
		"the prober has no database": {"prober", []string{"--database", "sqlite:x"}, "unknown flag: --database"},
		"shoutrrr of several":        {serveRole, []string{"--shoutrrr"}, "--shoutrrr: shoutrrr needs single-tenant"},
		"shoutrrr of several alone":  {"alerts", with("--shoutrrr"), "--shoutrrr: shoutrrr needs single-tenant"},
		"shoutrrr of accounts":       {"accounts", with("--shoutrrr"), "unknown flag: --shoutrrr"},
		"a word too many":            {"accounts", []string{"now"}, `unknown command "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := runVerb(t, t.Context(), nil, "", append([]string{tt.role}, tt.args...)...)
			if got.code != exitError || !strings.Contains(got.stderr, tt.want) || strings.Contains(got.stderr, canary) {
				t.Errorf("exit code %d, stderr\n%s\nwant %d and %s", got.code, got.stderr, exitError, tt.want)
			}
		})
	}
}

// A time is read alike wherever it comes from and judged by its length, in whatever unit it is written.
func TestTimesAreJudgedAlikeEverywhere(t *testing.T) {
	for _, tt := range []struct{ setting, value, want string }{
		{"shutdown-delay", "0d", ""},
		{"shutdown-delay", "1d", "must be at most 5m"},
		{"shutdown-delay", "-1s", "must not be negative"},
		{"shutdown-delay", "a day", "must be a time with its unit"},
		{"startup-timeout", "0d", "must be at least 1s"},
		{"startup-timeout", "0s", "must be at least 1s"},
		{"startup-timeout", "1d", ""},
		{"startup-timeout", "-1d", "must not be negative"},
		{"retention", "0d", "must be at least 1h"},
		{"retention", "0", "must be at least 1h"},
		{"retention", "1d", ""},
		{"retention", "60m", ""},
		{"retention", "-2d", "must not be negative"},
	} {
		file := filepath.Join(t.TempDir(), "frogup.yaml")
		if err := os.WriteFile(file, []byte(tt.setting+": "+tt.value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for from, got := range map[string]outcome{
			"flag": runVerb(t, t.Context(), nil, "", "config", "print", "events", "--"+tt.setting+"="+tt.value),
			"env":  runVerb(t, t.Context(), map[string]string{config.EnvName(tt.setting): tt.value}, "", "config", "print", "events"),
			"file": runVerb(t, t.Context(), nil, "", "config", "print", "events", "--config", file),
		} {
			refused := strings.Contains(got.stderr, fmt.Sprintf("%q: %s", tt.value, tt.want))
			if ok := got.code == exitOK; ok != (tt.want == "") || !ok && !refused {
				t.Errorf("%s %s by %s: exit code %d, %s", tt.setting, tt.value, from, got.code, got.stderr)
			}
		}
	}
}

// A variable that nothing reads is as good as misspelt.
func TestVariablesThatNothingReads(t *testing.T) {
	got := runVerb(t, t.Context(), map[string]string{"FROGUP_URL": "x", "FROGUP_SERVER": "x"}, "", "config", "print", "accounts")
	if got.code != exitError || !strings.Contains(got.stderr, "FROGUP_URL in the environment") || strings.Contains(got.stderr, "FROGUP_SERVER in") {
		t.Errorf("%+v", got)
	}
}

// The same three places for every verb: the file is named by a flag or a variable, and a misspelling in any is told.
func TestRolesReadFileAndEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "frogup.yaml")
	text := "log-level: debug\nregion: top\nprober:\n  region: section\n  max-checks: 7\n  address: dns:///elsewhere:1\nmonitors:\n  region: other\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"FROGUP_CONFIG": file, "FROGUP_MAX_CHECKS": "8", "FROGUP_DATABASE": "sqlite:of-another-role", "FROGUP_TEST_REQUIRE": "1"}
	got := runVerb(t, t.Context(), env, "", "config", "print", "prober", "--egress", "public-only", "--egress", "deny 10.0.0.0/8")
	for _, want := range []string{"log-level: debug # frogup.yaml:1\n", "region: section # frogup.yaml:4\n", "max-checks: 8 # FROGUP_MAX_CHECKS\n",
		"egress: [public-only, deny 10.0.0.0/8] # --egress\n", "monitors: dns:///monitors:7002 # default\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("not printed: %s", want)
		}
	}
	if !strings.Contains(got.stderr, "prober would not start:\ncluster-key is required") || got.code != exitOK {
		t.Errorf("exit code %d, stderr %s", got.code, got.stderr)
	}
	if got := runVerb(t, t.Context(), env, "", "config", "print", "monitors", "--output", "table"); !strings.Contains(got.stdout, "dns:///elsewhere:1") {
		t.Errorf("the prober's address is not taken from its section:\n%s%s", got.stdout, got.stderr)
	}
	env["FROGUP_MAX_CHECK"] = "9"
	got = runVerb(t, t.Context(), env, "", "prober", "--config", file)
	if got.code != exitError || !strings.Contains(got.stderr, "FROGUP_MAX_CHECK in the environment is not a setting; did you mean FROGUP_MAX_CHECKS?") {
		t.Errorf("%+v", got)
	}
}

// The variables of a server do not matter to the verbs that are none.
func TestClientVerbsReadTheirOwn(t *testing.T) {
	env := map[string]string{"FROGUP_NONSENSE": "1"}
	if got := runVerb(t, t.Context(), env, "", "version"); got.code != exitOK {
		t.Errorf("%+v", got)
	}
}

// Whatever is printed of any role's settings, its secrets are not in it.
func TestConfigPrintMasks(t *testing.T) {
	box, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	keyset, err := box.Export()
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{canary, keyset.Reveal()}
	for _, name := range roleNames() {
		env := map[string]string{}
		for _, s := range SettingsOf(name).Settings() {
			switch {
			case s.Name == "secret-keyset":
				env[s.EnvName()] = keyset.Reveal()
			case s.Name == "deadman":
				env[s.EnvName()] = "https://pings.example/" + canary
			case s.Secret:
				env[s.EnvName()] = canary
			case s.Name == "history":
				env[s.EnvName()] = "clickhouse://frogup:" + canary + "@h:9000/d?password=" + canary
			case s.DSN:
				env[s.EnvName()] = "postgres://frogup:" + canary + "@h/d?sslpassword=" + canary
			}
		}
		for _, output := range []string{"table", "yaml"} {
			t.Run(name+" "+output, func(t *testing.T) {
				got := runVerb(t, t.Context(), env, "", "config", "print", name, "--output", output)
				for _, s := range secrets {
					if strings.Contains(got.stdout+got.stderr, s) {
						t.Errorf("%s is shown:\n%s%s", s, got.stdout, got.stderr)
					}
				}
				if got.code != exitOK || len(env) > 0 && !strings.Contains(got.stdout, config.Mask) {
					t.Errorf("exit code %d, printed\n%s%s", got.code, got.stdout, got.stderr)
				}
			})
		}
	}
}

// What config print writes for a program is a file with the same meaning.
func TestConfigPrintReadsBack(t *testing.T) {
	for _, name := range roleNames() {
		t.Run(name, func(t *testing.T) {
			first := runVerb(t, t.Context(), map[string]string{"FROGUP_LOG_LEVEL": "warn", "FROGUP_EGRESS": "public-only,deny 10.0.0.0/8"}, "", "config", "print", name, "--metrics-listen", "off")
			file := filepath.Join(t.TempDir(), "again.yaml")
			if err := os.WriteFile(file, []byte(first.stdout), 0o600); err != nil {
				t.Fatal(err)
			}
			second := runVerb(t, t.Context(), nil, "", "config", "print", name, "--config", file)
			if first.code != exitOK || second.code != exitOK {
				t.Fatalf("%+v\n%+v", first, second)
			}
			if diff := cmp.Diff(withoutComments(first.stdout), withoutComments(second.stdout)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		value, _, _ := strings.Cut(line, " #")
		fmt.Fprintln(&out, value)
	}
	return out.String()
}

func TestConfigPrintRefuses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"everything"}, `"everything" is not a role; there are serve, accounts, monitors, prober, events, alerts or gateway`},
		{[]string{"serve", "--output", "xml"}, `--output "xml": must be table or yaml`},
		{[]string{"serve", "--listne", "x"}, "unknown flag: --listne"},
		{[]string{"serve", "more"}, `unexpected "more"`},
		{[]string{"serve", "--listen", "x"}, `--listen "x": must be an address`},
	} {
		got := runVerb(t, t.Context(), nil, "", append([]string{"config", "print"}, tt.args...)...)
		if got.code != exitError || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%q: %+v, want %s", tt.args, got, tt.want)
		}
	}
	if got := runVerb(t, t.Context(), nil, "", "config", "print", "--help"); got.code != exitOK || !strings.Contains(got.stdout, "reads back") {
		t.Errorf("help: %+v", got)
	}
}

// Every service has its help, and says how it is configured.
func TestRolesHaveHelp(t *testing.T) {
	for _, name := range roleNames() {
		got := runVerb(t, t.Context(), nil, "", name, "--help")
		if got.code != exitOK || !strings.Contains(got.stdout, "FROGUP_<NAME>") || !strings.Contains(got.stdout, "--shutdown-delay") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
