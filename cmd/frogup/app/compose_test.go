package app

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/frogstats/uptime/cmd/frogup/config"
)

// compose loads docker-compose.yml as `docker compose` does.
func compose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join("..", "..", "..", "docker-compose.yml")},
		cli.WithName("frogup"), cli.WithProfiles([]string{"solo"}), cli.WithEnv([]string{"FROGUP_ADMIN_EMAIL=me@example.com"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// ours are the containers that run frogup, with the role that each has.
func ours(t *testing.T, project *types.Project) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, s := range project.Services {
		if strings.HasPrefix(s.Image, "frogup:") && name != "setup" {
			out[name] = s.Command[0]
		}
	}
	want := append(roleNames(), "setup")
	slices.Sort(want)
	var have []string
	for name := range project.Services {
		if role, ok := out[name]; ok {
			have = append(have, role)
		} else if name == "setup" {
			have = append(have, name)
		}
	}
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Fatalf("containers run %v, want each of %v once", have, want)
	}
	return out
}

func TestComposeSettingsAreSettings(t *testing.T) {
	project := compose(t)
	for name, role := range ours(t, project) {
		environment := map[string]string{}
		for key, value := range project.Services[name].Environment {
			if value != nil {
				environment[key] = *value
			}
			if setting := settingOf(role, key); setting == nil {
				t.Errorf("%s: %s is no setting of %s", name, key, role)
			}
		}
		for _, secret := range []string{"cluster-key", "database", "history", "secret-keyset"} {
			if SettingsOf(role).Get(secret) == nil || name == "solo" {
				continue
			}
			file := environment[config.EnvName(secret)+"_FILE"]
			if !strings.HasPrefix(file, "/run/frogup/") {
				t.Errorf("%s: %s is read from %q, want a file of its secrets", name, secret, file)
			}
		}
		load(t, name, role, project.Services[name].Command[1:], environment)
	}
}

// settingOf is the setting of a role that a variable gives, perhaps by naming a file.
func settingOf(role, variable string) *config.Setting {
	for _, s := range SettingsOf(role).Settings() {
		if s.EnvName() == variable {
			return s
		}
	}
	return nil
}

// load lets the role read the environment and the command as the container has them, with the files of frogup setup.
func load(t *testing.T, name, role string, args []string, environment map[string]string) {
	t.Helper()
	o := outfitIn(t)
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for key, value := range environment {
		if value != "" {
			environ = append(environ, key+"="+strings.Replace(value, "/run/frogup", filepath.Join(o.out, name), 1))
		}
	}
	r, err := findRole(role)
	if err != nil {
		t.Fatal(err)
	}
	cfg, set := r.settings()
	p := Process{Environ: func() []string { return environ }, Env: lookup(environ), Stdout: os.Stdout, Stderr: os.Stderr}
	c := newRole(p, r)
	if err := c.ParseFlags(args); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := p.load(r, set, ""); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if err := cfg.check(set); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if role != serveRole {
		if _, err := os.Stat(cfg.tlsCert); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func lookup(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range environ {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
}

func TestComposeHealthAndOrder(t *testing.T) {
	project := compose(t)
	roles := ours(t, project)
	for name, role := range roles {
		s := project.Services[name]
		want := []string{"CMD", "/frogup", "health", role}
		if name == "solo" {
			want = want[:3]
		}
		if s.HealthCheck == nil || !slices.Equal(s.HealthCheck.Test, want) {
			t.Errorf("%s: the health check is %v, want %v", name, s.HealthCheck, want)
		}
		if !s.ReadOnly || s.User != "65532:65532" || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s: read-only %v, user %q, without %v: want as little as can be", name, s.ReadOnly, s.User, s.CapDrop)
		}
		for _, peer := range []string{"postgres", "clickhouse"} {
			uses := SettingsOf(role).Get(map[string]string{"postgres": "database", "clickhouse": "history"}[peer]) != nil && name != "solo"
			dependency, waits := s.DependsOn[peer]
			if uses != waits || uses && dependency.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s: uses %s: %v, waits for it: %v (%s)", name, peer, uses, waits, dependency.Condition)
			}
			if _, reaches := s.Networks["stores"]; (role == "prober" || role == gatewayRole) && reaches {
				t.Errorf("%s faces the outside and reaches the stores", name)
			}
		}
	}
	for _, store := range []string{"postgres", "clickhouse"} {
		s := project.Services[store]
		if s.HealthCheck == nil || s.DependsOn["setup"].Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("%s: health check %v, waits for setup: %q", store, s.HealthCheck, s.DependsOn["setup"].Condition)
		}
		if !slices.Equal(slices.Collect(maps.Keys(s.Networks)), []string{"stores"}) {
			t.Errorf("%s is reached from %v", store, s.Networks)
		}
	}
}

func TestComposePorts(t *testing.T) {
	project := compose(t)
	for name, role := range ours(t, project) {
		s := project.Services[name]
		_, port, err := net.SplitHostPort(SettingsOf(role).Get("listen").Default())
		if err != nil {
			t.Fatal(err)
		}
		public := role == gatewayRole || role == serveRole
		if !public && len(s.Ports) > 0 {
			t.Errorf("%s: %v are open to the machine", name, s.Ports)
		}
		if public && (len(s.Ports) != 1 || s.Ports[0].HostIP != "127.0.0.1" || port != "8080" || s.Ports[0].Target != 8080) {
			t.Errorf("%s: ports %+v, want 8080 on the machine's own address", name, s.Ports)
		}
		for _, peer := range peersOf(role) {
			address := SettingsOf(role).Get(peer)
			if address == nil {
				continue // in this process
			}
			host, port, err := net.SplitHostPort(strings.TrimPrefix(address.Default(), "dns:///"))
			if err != nil || project.Services[host].Command == nil || servicePorts[project.Services[host].Command[0]] != ":"+port {
				t.Errorf("%s: looks for %s at %s, which is not there: %v", name, peer, address.Default(), err)
			}
		}
	}
}

func TestComposeSecretsStayApart(t *testing.T) {
	project := compose(t)
	made := map[string]string{} // volume → where setup fills it
	for _, v := range project.Services["setup"].Volumes {
		made[v.Source] = v.Target
	}
	for name, s := range project.Services {
		if name == "setup" {
			continue
		}
		for _, v := range s.Volumes {
			if !strings.HasSuffix(v.Source, "-secrets") {
				continue
			}
			if v.Source != name+"-secrets" || !v.ReadOnly || v.Target != "/run/frogup" || made[v.Source] != "/run/frogup/"+name {
				t.Errorf("%s mounts %s at %s (read-only %v), which setup fills at %s", name, v.Source, v.Target, v.ReadOnly, made[v.Source])
			}
		}
		for key, value := range s.Environment {
			if value != nil && *value != "" && (strings.Contains(key, "PASSWORD") || strings.Contains(key, "KEY")) &&
				!strings.HasSuffix(key, "_FILE") && key != "FROGUP_TLS_KEY" {
				t.Errorf("%s: %s has a value in the file", name, key)
			}
		}
	}
	if _, ok := made["authority-secrets"]; !ok {
		t.Error("the authority is not kept, so certificates could not be renewed")
	}
}

func TestComposeImagesArePinned(t *testing.T) {
	for name, s := range compose(t).Services {
		_, tag, ok := strings.Cut(s.Image, ":")
		if !ok || tag == "latest" || tag == "" {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
	}
}
