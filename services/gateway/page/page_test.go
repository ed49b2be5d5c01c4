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
	imported  = regexp.MustCompile(`(?m)(?:^import .* from |\bfrom|\bimport\(?|\bimport )["'\x60]([./][^"'\x60]+\.(?:js|css))["'\x60]`)
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
				at := l[1]
				if strings.HasPrefix(at, ".") {
					at = path.Join("/", path.Dir(name), at)
				}
				if !known[at] {
					t.Errorf("%s names %q, which is not there", name, l[1])
				}
			}
			if m := elsewhere.FindString(text); m != "" {
				t.Errorf("%s loads from elsewhere: %q", name, m)
			}
		})
	}
}

// What changes its content changes its name, so that browsers may keep it for good: all that the client loads beside its first
// page and its icon.
func TestClientIsNamedByItsContent(t *testing.T) {
	hashed := regexp.MustCompile(`^assets/[\w.-]+-[\w-]{8}\.(js|css)$`)
	scripts := 0
	walk(t, page.Files(), func(name, _ string) {
		if name == "index.html" || name == "icon.svg" {
			return
		}
		if !hashed.MatchString(name) {
			t.Errorf("%s is not named by its content", name)
		}
		if path.Ext(name) == ".js" {
			scripts++
		}
	})
	if scripts < 2 {
		t.Errorf("the client has %d scripts; pages should be loaded when they are gone to", scripts)
	}
}

// People's words are put in as text. The client's own sources have a test of the same.
func TestDocsPutInText(t *testing.T) {
	walk(t, page.Docs(), func(name, text string) {
		if strings.Contains(text, "innerHTML") || strings.Contains(text, "insertAdjacentHTML") {
			t.Errorf("%s puts in HTML; use text", name)
		}
	})
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
