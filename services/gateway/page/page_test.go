package page_test

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/frogstats/uptime/services/gateway/page"
)

var (
	imported  = regexp.MustCompile(`(?m)^import .* from "([^"]+)";$`)
	linked    = regexp.MustCompile(`(?:src|href)="([^"#]+)"`)
	elsewhere = regexp.MustCompile(`(?:src|href|from|url\()\s*=?\s*["']?(?:https?:)?//`)
)

// Every file that a page names is there, and nothing comes from another host.
func TestPagesAreWhole(t *testing.T) {
	known := map[string]bool{"/": true, "/api/docs": true, "/api/openapi.json": true, "data:,": true}
	for prefix, files := range map[string]fs.FS{"/": page.Files(), "/api/docs/": page.Docs()} {
		walk(t, files, func(name, _ string) { known[prefix+name] = true })
	}
	for _, files := range []fs.FS{page.Files(), page.Docs()} {
		walk(t, files, func(name, text string) {
			links := imported.FindAllStringSubmatch(text, -1)
			if path.Ext(name) == ".html" {
				links = append(links, linked.FindAllStringSubmatch(text, -1)...)
			}
			for _, l := range links {
				if !known[l[1]] {
					t.Errorf("%s names %q, which is not there", name, l[1])
				}
			}
			if m := elsewhere.FindString(text); m != "" {
				t.Errorf("%s loads from elsewhere: %q", name, m)
			}
			if strings.Contains(text, "innerHTML") || strings.Contains(text, "insertAdjacentHTML") {
				t.Errorf("%s puts in HTML; use text", name)
			}
		})
	}
}

func walk(t *testing.T, files fs.FS, visit func(name, text string)) {
	t.Helper()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		visit(name, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
