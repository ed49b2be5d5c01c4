package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/frogstats/uptime/gen"
	"github.com/frogstats/uptime/services/gateway/page"
)

// site serves the files of the web client from memory.
type site struct{ assets map[string]*asset }

// asset is one file.
type asset struct {
	body  []byte
	kind  string
	tag   string
	fixed bool // its name changes with its content

	maxAge time.Duration // for which it may be shown without asking again; 0: not at all
}

// assetsFolder is where Vite puts what it names by its hash.
const assetsFolder = "assets/"

// newSite reads the whole client; nil means the one that is built in.
func newSite(client fs.FS) (*site, error) {
	if client == nil {
		client = page.Files()
	}
	assets, err := readAssets(client)
	if err != nil {
		return nil, fmt.Errorf("read client: %w", err)
	}
	if assets["index.html"] == nil {
		return nil, errors.New("client has no index.html")
	}
	return &site{assets}, nil
}

func readAssets(files fs.FS) (map[string]*asset, error) {
	assets := map[string]*asset{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		assets[name] = newAsset(name, body)
		assets[name].fixed = strings.HasPrefix(name, assetsFolder)
		return nil
	})
	return assets, err
}

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	return &asset{body: body, kind: kindOf(name), tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// kindOf does not ask the machine's own tables for what we serve ourselves: they differ.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// serve answers with a file. Paths without a file and without an extension are the client's own routes, such as /setup, and
// get its first page.
func (s *site) serve(g *Gateway, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.noRoute(w, r, []string{http.MethodGet, http.MethodHead})
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	a := s.assets[name]
	if a == nil && path.Ext(name) == "" && !strings.HasPrefix(name, assetsFolder) {
		a = s.assets["index.html"]
	}
	if a == nil {
		g.refuse(w, r, http.StatusNotFound, codes.NotFound, "no such path")
		return
	}
	a.serve(w, r)
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.tag)
	h.Set("Cache-Control", "no-cache")
	switch {
	case a.fixed:
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	case a.maxAge > 0:
		h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(a.maxAge/time.Second)))
	}
	if matches(r.Header.Get("If-None-Match"), a.tag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body) // fails only when nobody reads any more
}

// matches reports whether a list of entity tags holds tag, compared weakly (RFC 9110, 13.1.2).
func matches(list, tag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

// docs is the description of the REST surface, for programs and for people.
type docs struct {
	openapi *asset
	assets  map[string]*asset
	g       *Gateway
}

func (g *Gateway) docs() (*docs, error) {
	assets, err := readAssets(page.Docs())
	if err != nil {
		return nil, fmt.Errorf("read docs: %w", err)
	}
	return &docs{newAsset("openapi.json", gen.OpenAPI), assets, g}, nil
}

func (d *docs) document(w http.ResponseWriter, r *http.Request) { d.openapi.serve(w, r) }

func (d *docs) page(w http.ResponseWriter, r *http.Request) { d.assets["index.html"].serve(w, r) }

func (d *docs) file(w http.ResponseWriter, r *http.Request) {
	a := d.assets[path.Base(r.URL.Path)]
	if a == nil {
		d.g.noRoute(w, r, nil)
		return
	}
	a.serve(w, r)
}
