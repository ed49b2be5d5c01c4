// Package control lets one process of a benchmark direct another: a command per line on
// standard input, an answer in JSON per line on standard output.
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Handler answers one command; argument is what follows its name.
type Handler func(argument string) (any, error)

type answer struct {
	Error string          `json:"error,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Serve says that it is ready and answers commands until in ends.
func Serve(in io.Reader, out io.Writer, handlers map[string]Handler) error {
	enc := json.NewEncoder(out)
	if err := enc.Encode(answer{}); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, argument, _ := strings.Cut(lines.Text(), " ")
		if err := enc.Encode(respond(handlers[name], name, argument)); err != nil {
			return fmt.Errorf("answer %s: %w", name, err)
		}
	}
	return lines.Err()
}

func respond(h Handler, name, argument string) answer {
	if h == nil {
		return answer{Error: fmt.Sprintf("command %q is not known", name)}
	}
	v, err := h(argument)
	if err != nil {
		return answer{Error: err.Error()}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Value: b}
}

// caller is the directing end.
type caller struct {
	in  io.Writer
	out *json.Decoder
}

func (c caller) ready() error { return c.read(nil) }

func (c caller) call(value any, words ...string) error {
	if _, err := io.WriteString(c.in, strings.Join(words, " ")+"\n"); err != nil {
		return fmt.Errorf("send %s: %w", words[0], err)
	}
	if err := c.read(value); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

func (c caller) read(value any) error {
	var a answer
	if err := c.out.Decode(&a); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if value == nil || a.Value == nil {
		return nil
	}
	return json.Unmarshal(a.Value, value)
}
