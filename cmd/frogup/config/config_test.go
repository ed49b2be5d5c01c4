package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

const canary = "canary-7f3a-do-not-print"

// shop is a role to try things on.
type shop struct {
	name, key, database, peer string
	open                      bool
	size                      int
	ratio                     float64
	keep                      time.Duration
	zones                     []string
}

func newShop() (*shop, *Set) {
	v, set := &shop{}, NewSet()
	set.Text(&v.name, "name", "corner", "name of the shop", Rule(func(text string) error {
		if strings.Contains(text, " ") {
			return errors.New("must be one word")
		}
		return nil
	}))
	set.Text(&v.key, "key", "", "key of the till", Secret, Rule(func(text string) error {
		if len(text) < 8 {
			return errors.New("must have at least 8 characters")
		}
		return nil
	}))
	set.Text(&v.database, "database", "", "address of the store", DSN)
	set.Text(&v.peer, "bakery", "dns:///bakery:1", "address of the bakery")
	set.Bool(&v.open, "open", false, "whether it is open")
	set.Int(&v.size, "size", 3, "square metres")
	set.Float(&v.ratio, "ratio", 1, "share")
	set.Duration(&v.keep, "keep", 400*day, "how long")
	set.List(&v.zones, "zone", "zones")
	return v, set
}

// load reads args, environment and file as the role "shop"; there is a role "bakery" too.
func load(t *testing.T, args []string, env map[string]string, file string) (*shop, *Set, error) {
	t.Helper()
	v, set := newShop()
	flags := pflag.NewFlagSet("shop", pflag.ContinueOnError)
	set.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	bakery := NewSet()
	var oven string
	bakery.Text(&oven, "oven", "", "its oven")
	src := Sources{Role: "shop", Environ: env, Roles: map[string]*Set{"shop": set, "bakery": bakery}, Other: []string{"FROGUP_TEST_*", "FROGUP_SERVER"}}
	if file != "" {
		src.Path = filepath.Join(t.TempDir(), "frogup.yaml")
		if err := os.WriteFile(src.Path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return v, set, set.Load(src)
}

func TestPrecedence(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		file string
		want string // of size
		from string
	}{
		"default":                   {nil, nil, "", "3", ""},
		"file":                      {nil, nil, "size: 4", "4", "frogup.yaml:1"},
		"section over top":          {nil, nil, "shop:\n  size: 5\nsize: 4", "5", "frogup.yaml:2"},
		"another's section":         {nil, nil, "bakery:\n  oven: big\nsize: 4", "4", "frogup.yaml:3"},
		"environment over file":     {nil, map[string]string{"FROGUP_SIZE": "6"}, "size: 4", "6", "FROGUP_SIZE"},
		"empty variable":            {nil, map[string]string{"FROGUP_SIZE": ""}, "size: 4", "4", "frogup.yaml:1"},
		"flag over all":             {[]string{"--size", "7"}, map[string]string{"FROGUP_SIZE": "6"}, "size: 4", "7", "--size"},
		"flag that says the same":   {[]string{"--size=3"}, map[string]string{"FROGUP_SIZE": "6"}, "size: 4", "3", "--size"},
		"the last of two flags":     {[]string{"--size=1", "--size=2"}, nil, "", "2", "--size"},
		"null in the file":          {nil, nil, "size:", "3", ""},
		"a file with comments only": {nil, nil, "# nothing", "3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, set, err := load(t, tt.args, tt.env, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if s := set.Get("size"); strings.Join(s.Shown(), "") != tt.want || s.From != tt.from {
				t.Errorf("size %v from %q, want %s from %q", s.Shown(), s.From, tt.want, tt.from)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	want := shop{name: "x", key: "12345678", database: "postgres://h/d", peer: "dns:///other:2", open: true, size: 9, ratio: 0.5,
		keep: 36 * time.Hour, zones: []string{"a", "b"}}
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("12345678\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		file string
	}{
		"flags": {[]string{"--name=x", "--key-file", secret, "--database=postgres://h/d", "--bakery=dns:///other:2", "--open", "--size=9", "--ratio=0.5",
			"--keep=36h", "--zone=a", "--zone=b"}, nil, ""},
		"environment": {nil, map[string]string{"FROGUP_NAME": "x", "FROGUP_KEY_FILE": secret, "FROGUP_DATABASE": "postgres://h/d",
			"FROGUP_BAKERY": "dns:///other:2", "FROGUP_OPEN": "true", "FROGUP_SIZE": "9", "FROGUP_RATIO": "0.5", "FROGUP_KEEP": "36h", "FROGUP_ZONE": "a,b"}, ""},
		"file": {nil, nil, "name: x\nkey-file: " + secret + "\ndatabase: postgres://h/d\nbakery: {address: 'dns:///other:2'}\nopen: true\nsize: 9\nratio: 0.5\n" +
			"keep: 36h\nzone: [a, b]\n"},
		"file with a section": {nil, nil, "shop:\n  name: x\n  key: '12345678'\n  database: postgres://h/d\n  bakery: dns:///other:2\n  open: true\n  size: 9\n" +
			"  ratio: 0.5\n  keep: 36h\n  zone:\n  - a\n  - b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := load(t, tt.args, tt.env, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, *got, cmp.AllowUnexported(shop{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What cannot be meant is refused, all of it at once, with key, value and rule.
func TestStrictness(t *testing.T) {
	other := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(other, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		file string
		want string
	}{
		"key of nobody":            {nil, nil, "open: true\nsiez: 4\n", `frogup.yaml:2: "siez" is not a setting; did you mean size?`},
		"key like nothing":         {nil, nil, "wheelbarrow: 4\n", `frogup.yaml:1: "wheelbarrow" is not a setting`},
		"key in a section":         {nil, nil, "shop:\n  nmae: x\n", `frogup.yaml:2: "nmae" is not a setting of shop; did you mean name?`},
		"another's key":            {nil, nil, "bakery:\n  size: 3\n", `frogup.yaml:2: "size" is not a setting of bakery`},
		"key in another's section": {nil, nil, "bakery:\n  ovn: x\n", `frogup.yaml:2: "ovn" is not a setting of bakery; did you mean oven?`},
		"section of nobody":        {nil, nil, "bakry:\n  oven: x\n", `frogup.yaml:1: "bakry" is not a setting; did you mean bakery?`},
		"key twice":                {nil, nil, "size: 1\nsize: 2\n", `"size" stands in line 1 already`},
		"a list for one":           {nil, nil, "size: [1, 2]\n", "frogup.yaml:1: size: must be a single value, not a list"},
		"a mapping for one":        {nil, nil, "size: {a: b}\n", "frogup.yaml:1: size: must be a value, not a mapping"},
		"not a mapping":            {nil, nil, "- size\n", "frogup.yaml:1: the file must be a mapping"},
		"not YAML":                 {nil, nil, "size: [1\n", "frogup.yaml"},
		"two documents":            {nil, nil, "size: 1\n---\nsize: 2\n", "only one YAML document"},
		"variable of nobody":       {nil, map[string]string{"FROGUP_SIEZ": "4"}, "", "FROGUP_SIEZ in the environment is not a setting; did you mean FROGUP_SIZE?"},
		"bad flag":                 {[]string{"--size=big"}, nil, "", `--size "big": must be a whole number`},
		"bad variable":             {nil, map[string]string{"FROGUP_OPEN": "perhaps"}, "", `FROGUP_OPEN "perhaps": must be true or false`},
		"bad key":                  {nil, nil, "\nkeep: a year\n", `frogup.yaml:2: keep "a year": must be a time with its unit`},
		"negative time":            {nil, nil, "keep: -3d\n", `keep "-3d": must not be negative`},
		"bad number":               {nil, nil, "ratio: half", `frogup.yaml:1: ratio "half": must be a number`},
		"against the rule":         {[]string{"--name", "two words"}, nil, "", `--name "two words": must be one word`},
		"a secret too short":       {nil, map[string]string{"FROGUP_KEY": "short"}, "", "FROGUP_KEY: must have at least 8 characters"},
		"a secret file too short":  {nil, map[string]string{"FROGUP_KEY_FILE": other}, "", "FROGUP_KEY_FILE: must have at least 8 characters"},
		"value and file":           {nil, map[string]string{"FROGUP_KEY": "12345678", "FROGUP_KEY_FILE": other}, "", "FROGUP_KEY and FROGUP_KEY_FILE are both set"},
		"no such file":             {[]string{"--key-file", other + "x"}, nil, "", "--key-file: open " + other + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(t, tt.args, tt.env, tt.file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "short") && !strings.Contains(tt.want, "short") {
				t.Errorf("a secret is quoted: %v", err)
			}
		})
	}
	_, _, err := load(t, []string{"--size=big"}, map[string]string{"FROGUP_X": "1"}, "y: 2")
	for _, want := range []string{"--size", "FROGUP_X", `"y"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not among the faults told: %v", want, err)
		}
	}
}

// What others put there is left alone; and what is another role's setting is known.
func TestTolerance(t *testing.T) {
	env := map[string]string{
		"FROGUP_TEST_REQUIRE": "1", "FROGUP_SERVER": "x", "FROGUP_OVEN": "big", "PATH": "/bin", "FROGUP_BAKERY_ADDRESS_X": "",
		"FROGUP_GATEWAY_SERVICE_HOST": "10.0.0.1", "FROGUP_GATEWAY_PORT_8080_TCP_ADDR": "10.0.0.1", "FROGUP_GATEWAY_SERVICE_PORT_HTTP": "8080",
	}
	delete(env, "FROGUP_BAKERY_ADDRESS_X")
	if _, _, err := load(t, nil, env, "oven: big\nbakery:\nshop: {}\n"); err != nil {
		t.Error(err)
	}
}

// A strong source beats the file of a weaker one without a conflict.
func TestFileOfASecret(t *testing.T) {
	weak := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(weak, []byte("from the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, set, err := load(t, nil, map[string]string{"FROGUP_KEY": "from the environment "}, "key-file: "+weak)
	if err != nil || got.key != "from the environment " || set.Get("key").From != "FROGUP_KEY" {
		t.Errorf("%q from %q, %v", got.key, set.Get("key").From, err)
	}
	got, set, err = load(t, nil, nil, "key-file: "+weak)
	if err != nil || got.key != "from the file" || set.Get("key").Source != File {
		t.Errorf("%q from %s, %v", got.key, set.Get("key").Source, err)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	_, set, err := load(t, nil, map[string]string{"FROGUP_KEY": canary, "FROGUP_DATABASE": "postgres://me:" + canary + "@h/d?sslmode=disable&sslpassword=" + canary}, "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := set.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	for _, s := range set.Settings() {
		out.WriteString(strings.Join(s.Shown(), " ") + "\n")
	}
	text := out.String()
	if strings.Contains(text, canary) || !strings.Contains(text, "postgres://me:***@h/d?sslmode=disable&sslpassword=***") {
		t.Errorf("printed\n%s", text)
	}
	_, _, err = load(t, nil, map[string]string{"FROGUP_KEY": canary[:4]}, "")
	if err == nil || strings.Contains(err.Error(), canary[:4]) {
		t.Errorf("the error is %v", err)
	}
}

func TestMaskDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"sqlite:data/accounts.db":                        "sqlite:data/accounts.db",
		"postgres://h/d":                                 "postgres://h/d",
		"postgres://u@h/d":                               "postgres://u@h/d",
		"postgres://u:p@h/d":                             "postgres://u:***@h/d",
		"postgres://u:p@ss/w?rd#x@h/d?a=b":               "postgres://u:***@h/d?a=b",
		"clickhouse://u:p@h1:9000,h2:9000/d?secure=true": "clickhouse://u:***@h1:9000,h2:9000/d?secure=true",
		"http://h:8123/d?username=u&password=p":          "http://h:8123/d?username=u&password=***",
		"host=h user=u password=p":                       "***",
		"u:p@h":                                          "***",
		"postgres://u:" + canary:                         "postgres://***",
		"clickhouse://[::1]:9000/d":                      "clickhouse://[::1]:9000/d",
		"postgres://h1:1,h2:2/d":                         "postgres://h1:1,h2:2/d",
	} {
		if got := MaskDSN(dsn); got != want {
			t.Errorf("MaskDSN(%q) = %q, want %q", dsn, got, want)
		}
	}
}

// What is printed can be read, and says the same.
func TestYAMLReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("12345678"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, set, err := load(t, []string{"--zone=a b", "--zone=no", "--name=true", "--keep=90m", "--open", "--ratio=0.25", "--database=sqlite:x#y", "--bakery="},
		map[string]string{"FROGUP_SIZE": "12", "FROGUP_KEY_FILE": path}, "")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := set.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	second, _, err := load(t, nil, nil, out.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, &out)
	}
	if diff := cmp.Diff(*first, *second, cmp.AllowUnexported(shop{})); diff != "" {
		t.Errorf("%s in\n%s", diff, &out)
	}
}

func TestDurations(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, 90 * time.Second, 5 * time.Minute, 12 * time.Hour, day, 400 * day, 25 * time.Hour, time.Hour + time.Second} {
		text := formatDuration(d)
		if got, err := ParseDuration(text); err != nil || got != d {
			t.Errorf("%v is written %q, which reads as %v, %v", d, text, got, err)
		}
	}
	for text, want := range map[string]time.Duration{"0d": 0, "-1s": -time.Second, "-3d": -3 * day, "+2d": 2 * day} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q reads as %v, %v; want %v", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "1", "9999999d", "-9999999d", "d", "1.5d"} {
		if got, err := ParseDuration(bad); err == nil {
			t.Errorf("%q reads as %v", bad, got)
		}
	}
}
