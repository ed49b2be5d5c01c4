package shoutrrr

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// part is what the test binary plays when it is started anew: a name of parts.
const part = "FROGUP_TEST_SHOUTRRR"

// parts are the processes that a runner may have started.
var parts = map[string]func() error{
	"send": func() error { return Send(os.Stdin, os.Stdout) },
	"crash": func() error {
		_, _ = io.WriteString(os.Stdout, `{"taken": true, "status": 200`)
		panic(secret)
	},
	"loud": func() error {
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("x", 4096)); err != nil {
				return err
			}
		}
	},
	"hang":   func() error { select {} },
	"silent": func() error { return nil },
	"environment": func() error {
		_, err := fmt.Fprintf(os.Stdout, `{"said": %q}`, strings.Join(os.Environ(), " "))
		return err
	},
}

func TestMain(m *testing.M) {
	if name := os.Getenv(part); name != "" {
		if err := parts[name](); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// actor is a runner whose processes play a part. What env adds comes from the environment of the runner.
func actor(t *testing.T, name string, policy ...string) *Runner {
	t.Helper()
	return actorIn(t, name, nil, policy...)
}

func actorIn(t *testing.T, name string, env map[string]string, policy ...string) *Runner {
	t.Helper()
	r, err := NewRunner(policyOf(t, policy...), func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, part+"="+name)
	return r
}

// secret is what nobody may read who did not write it.
const secret = "s3cr3tcanary0815"
