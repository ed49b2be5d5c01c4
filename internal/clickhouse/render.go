package clickhouse

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"text/template"
)

// Facts are what a migration may leave open, as text/template's {{.OnCluster}} and {{.Replicated}}:
//
//	CREATE TABLE IF NOT EXISTS monitor_events {{.OnCluster}} (…) ENGINE = {{.Replicated}}MergeTree ORDER BY …
//
// On a server alone both are empty.
type Facts struct {
	OnCluster  string // "ON CLUSTER `name`"
	Replicated string // "Replicated", before the name of an engine; path and replica are the server's defaults
}

// FactsFor are the facts of a cluster, "" being none.
func FactsFor(cluster string) Facts {
	if cluster == "" {
		return Facts{}
	}
	quoted := "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(cluster) + "`"
	return Facts{OnCluster: "ON CLUSTER " + quoted, Replicated: "Replicated"}
}

// Render is fsys with the facts filled in: each .sql file is a template.
func Render(fsys fs.FS, f Facts) fs.FS { return rendered{fsys, f} }

type rendered struct {
	fs.FS
	facts Facts
}

func (r rendered) Open(name string) (fs.File, error) {
	file, err := r.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return file, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: name, Err: err}, file.Close())
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "render", Path: name, Err: err}, file.Close())
	}
	out := &renderedFile{File: file}
	if err := t.Execute(&out.text, r.facts); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "render", Path: name, Err: err}, file.Close())
	}
	out.size = int64(out.text.Len())
	return out, nil
}

// renderedFile is a file with another text.
type renderedFile struct {
	fs.File
	text bytes.Buffer
	size int64
}

func (f *renderedFile) Read(p []byte) (int, error) { return f.text.Read(p) }

func (f *renderedFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return renderedInfo{info, f.size}, err
}

type renderedInfo struct {
	fs.FileInfo
	size int64
}

func (i renderedInfo) Size() int64 { return i.size }
