// Package page is what a browser sees until a web client is built in: one page that lists monitors and their state, and
// one that shows the description of the REST surface. Both are plain files without a build step, and load nothing from
// anywhere else.
package page

import (
	"embed"
	"io/fs"
)

//go:embed app docs
var files embed.FS

// Files returns the page, with index.html at its root.
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
