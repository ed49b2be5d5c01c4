// Package page holds what a browser is shown: the web client, as client/ is built into app/, and a plain page that shows the
// description of the REST surface. Neither loads anything from anywhere else.
package page

import (
	"embed"
	"io/fs"
)

//go:embed app docs
var files embed.FS

// Files returns the web client, with index.html at its root.
func Files() fs.FS { return sub("app") }

// Docs returns the page that shows the OpenAPI document, with index.html at its root.
func Docs() fs.FS { return sub("docs") }

func sub(name string) fs.FS {
	s, err := fs.Sub(files, name)
	if err != nil { // the names above are the folders embedded
		panic(err)
	}
	return s
}
