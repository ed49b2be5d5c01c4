package law

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// rule forbids some names of one package, except in some places.
type rule struct {
	names  []string // "Print*" is every name that begins so; "Dialer{" a literal of the type, but not handed to X.Dialer(…)
	except func(importPath string) bool
	why    string
}

const (
	processIsMains = "the process belongs to cmd/: take it as a parameter"
	useTheLogger   = "log with the *slog.Logger that was handed in"
	useTheGuard    = "dial through internal/egress"
	useAClient     = "use a client from internal/egress, or one with a timeout to a fixed address of ours"
)

// rules by the import path of the package whose names they forbid. Tests, and packages for tests, are not judged.
var rules = map[string][]rule{
	"os": {{
		[]string{"Exit", "Getenv", "LookupEnv", "Environ", "Setenv", "Unsetenv", "Clearenv", "ExpandEnv"}, inCmd, processIsMains,
	}},
	"os/signal": {{[]string{"*"}, inCmd, processIsMains}},
	"log": {{
		[]string{"Default", "Print*", "Fatal*", "Panic*", "Output", "Writer", "Set*"}, inCmd, useTheLogger,
	}},
	"log/slog": {{
		[]string{
			"Default", "Set*", "Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext",
			"Error", "ErrorContext", "Log", "LogAttrs", "With",
		}, inCmd, useTheLogger,
	}},
	"net/http": {
		{[]string{"DefaultClient", "Get", "Head", "Post", "PostForm"}, func(string) bool { return false }, useAClient},
		{[]string{"DefaultTransport"}, guardsAll, useAClient},
	},
	"net": {{
		[]string{"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer{"}, mayDial, useTheGuard,
	}},
	"crypto/tls": {{[]string{"Dial", "DialWithDialer", "Dialer{"}, mayDial, useTheGuard}},
}

func inCmd(importPath string) bool {
	return strings.HasPrefix(importPath+"/", Root+"/cmd/")
}

// guardsAll is the package whose process makes the guarded transport the default one, for a library that takes none.
func guardsAll(importPath string) bool { return importPath == Root+"/cmd/frogup/shoutrrr" }

func mayDial(importPath string) bool {
	for _, room := range []string{"/internal/egress/", "/internal/rpc/", "/cmd/"} {
		if strings.HasPrefix(importPath+"/", Root+room) {
			return true
		}
	}
	return strings.Contains(importPath+"/", "/nettest/")
}

// Source judges the Go files of the workspace's packages, tests apart.
func Source(packages []Package) ([]Breach, error) {
	var out []Breach
	for _, p := range packages {
		if isTestPackage(p.ImportPath) || room(p.ImportPath) == "gen" || inE2E(p.ImportPath) {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			found, err := file(p.ImportPath, filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

func file(importPath, filename string) ([]Breach, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, filename, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("law: %w", err)
	}
	watched := watchedNames(f, importPath)
	if len(watched) == 0 {
		return nil, nil
	}
	var out []Breach
	judge := func(n ast.Expr, suffix string) {
		pkg, name := qualified(n)
		for _, r := range watched[pkg] {
			if r.forbids(name + suffix) {
				where := fmt.Sprintf("%s/%s:%d", importPath, filepath.Base(filename), fset.Position(n.Pos()).Line)
				out = append(out, Breach{where, "uses " + pkg + "." + name + suffix, r.why})
			}
		}
	}
	guarded := map[ast.Node]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr: // seen before its arguments
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Dialer" {
				for _, arg := range n.Args {
					guarded[arg] = true
				}
			}
		case *ast.CompositeLit:
			if !guarded[n] && n.Type != nil {
				judge(n.Type, "{")
			}
		case *ast.SelectorExpr:
			judge(n, "")
		}
		return true
	})
	return out, nil
}

// qualified splits pkg.Name; other expressions give "", "".
func qualified(n ast.Expr) (pkg, name string) {
	if sel, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok {
			return x.Name, sel.Sel.Name
		}
	}
	return "", ""
}

// watchedNames maps the names under which f imports ruled packages to the rules that hold there.
func watchedNames(f *ast.File, importPath string) map[string][]rule {
	out := map[string][]rule{}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := imported[strings.LastIndex(imported, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		for _, r := range rules[imported] {
			if !r.except(importPath) {
				out[name] = append(out[name], r)
			}
		}
	}
	return out
}

func (r rule) forbids(name string) bool {
	return slices.ContainsFunc(r.names, func(n string) bool {
		stem, wild := strings.CutSuffix(n, "*")
		return n == name || wild && strings.HasPrefix(name, stem)
	})
}
