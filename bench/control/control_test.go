package control

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
)

func TestServe(t *testing.T) {
	commandsR, commandsW := io.Pipe()
	answersR, answersW := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(commandsR, answersW, map[string]Handler{
			"echo": func(s string) (any, error) { return s, nil },
			"fail": func(string) (any, error) { return nil, errors.New("broken") },
		})
	}()
	c := caller{in: commandsW, out: json.NewDecoder(answersR)}
	if err := c.ready(); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := c.call(&got, "echo", "a b", "c"); err != nil || got != "a b c" {
		t.Errorf("echo: %q, %v", got, err)
	}
	if err := c.call(nil, "fail"); err == nil || err.Error() != "fail: broken" {
		t.Errorf("fail: %v", err)
	}
	if err := c.call(nil, "other"); err == nil {
		t.Error("an unknown command is answered")
	}
	if err := c.call(&got, "echo", "still"); err != nil || got != "still" {
		t.Errorf("after errors: %q, %v", got, err)
	}
	_ = commandsW.Close()
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}
