package config

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Effective lists what is in effect: a setting that was read from a file of its own appears as the path of that file, and
// nothing else of such pairs.
func (set *Set) Effective() []*Setting {
	var out []*Setting
	for _, s := range set.settings {
		switch {
		case s.of != nil: // listed in place of its setting, if at all
		case s.file != nil && s.file.Source != Default && s.From == s.file.From:
			out = append(out, s.file)
		default:
			out = append(out, s)
		}
	}
	return out
}

// WriteYAML writes the settings as a file that Load reads to the same effect. What must not be printed stands in a comment.
func (set *Set) WriteYAML(w io.Writer) error {
	for _, s := range set.Effective() {
		value, err := s.yaml()
		if err != nil {
			return err
		}
		origin := string(s.Source)
		if s.From != "" {
			origin = s.From
		}
		line := fmt.Sprintf("%s: %s # %s", s.Name, value, origin)
		if s.Masked() || len(s.Shown()) == 0 && s.Source == Default {
			line = "# " + line
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func (s *Setting) yaml() (string, error) {
	shown := s.Shown()
	node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, text := range shown {
		node.Content = append(node.Content, s.scalar(text))
	}
	if s.Kind != "list" {
		node = s.scalar(strings.Join(shown, ""))
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", s.Name, err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " "), nil
}

// scalar quotes text where a reader would take it for something else than the setting's kind.
func (s *Setting) scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if s.Kind == "string" || s.Kind == "list" || s.Kind == "duration" {
		n.Tag = "!!str"
	}
	return n
}
