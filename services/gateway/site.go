package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
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

	packed func() []byte // the body compressed, which is done once; nil if it is not to be
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
		if strings.HasPrefix(name, assetsFolder) {
			assets[name].fixed, assets[name].packed = true, sync.OnceValue(func() []byte { return pack(body) })
		}
		return nil
	})
	return assets, err
}

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	return &asset{body: body, kind: kindOf(name), tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// pack compresses as well as it can be done: what is named by its content is sent more often than it is packed. It is nil if that
// saves nothing.
func pack(body []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || out.Len() >= len(body) { // a buffer takes everything, and the level is one of those that there are
		return nil
	}
	return out.Bytes()
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
	body := a.body
	if a.packed != nil && len(body) >= compressMin && takesGzip(r.Header.Get("Accept-Encoding")) {
		if packed := a.packed(); packed != nil {
			h.Set("Content-Encoding", "gzip")
			body = packed
		}
	}
	_, _ = w.Write(body) // fails only when nobody reads any more
}

// takesGzip reports whether the list of codings has gzip, or any, and does not refuse it (RFC 9110, 12.5.3).
func takesGzip(accepted string) bool {
	star := false
	for one := range strings.SplitSeq(accepted, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(one), ";")
		weight, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
		wanted := !found || strings.Trim(weight, "0.") != ""
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			return wanted
		case "*":
			star = wanted
		}
	}
	return star
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
