//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"text/template"
)

//go:embed config.xml
var configXML string

//go:embed users.xml
var usersXML string

var userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// validUser reports whether a name can be the name of an XML element, which is how users.xml has users.
func validUser(name string) bool { return userName.MatchString(name) }

// engineDir is the engine's share of the data directory.
func engineDir(o options) string { return filepath.Join(o.data, "engine") }

// writeConfig puts the built-in configuration into the data directory, unless another was named, and says where it is.
func writeConfig(o options) (string, error) {
	facts := map[string]string{"User": o.user, "Password": o.password, "UsersFile": o.users}
	if o.users == "" {
		facts["UsersFile"] = filepath.Join(o.data, "users.xml")
		if err := render(facts["UsersFile"], usersXML, facts); err != nil {
			return "", err
		}
	}
	if o.config != "" {
		return o.config, nil
	}
	path := filepath.Join(o.data, "config.xml")
	return path, render(path, configXML, facts)
}

func render(path, text string, facts map[string]string) error {
	t := template.New(filepath.Base(path)).Option("missingkey=error").Funcs(template.FuncMap{
		"xml": func(s string) (string, error) {
			var b bytes.Buffer
			err := xml.EscapeText(&b, []byte(s))
			return b.String(), err
		},
		"sha256": func(s string) string {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:])
		},
	})
	t, err := t.Parse(text)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, facts); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}
