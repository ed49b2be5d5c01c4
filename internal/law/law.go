// Package law states who may import whom, and who may touch the process, as code that a test runs over the whole workspace.
//
//	gen        imports nothing of ours
//	internal   imports nothing of ours outside internal
//	services/X imports gen, internal and itself; never services/Y
//	nobody     imports the root
//
//	inside a service, only the folders sqlite, postgres and clickhouse hold SQL: they alone import database/sql, a driver,
//	or what opens one, and nothing else in the service imports them
//	the prober links no database at all
//	packages named …test are for tests
//	the process itself (exit, environment, signals, default loggers) belongs to cmd/
//	what dials out for a user goes through internal/egress
//	a library that cannot be made to do so is imported by the package that runs it in a process of its own
package law

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Root is the path of the root module.
const Root = "github.com/frogstats/uptime"

// Package is what the law needs to know of one package; the names are those of "go list -json".
type Package struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	CgoFiles     []string
	Imports      []string // of the package itself
	TestImports  []string // of its _test.go files
	XTestImports []string // of its external test package
}

// Breach is one thing that the law forbids.
type Breach struct {
	Where string // a package, or file:line
	What  string // e.g. "imports …/services/monitors"
	Why   string
}

func (b Breach) String() string { return fmt.Sprintf("%s %s: %s", b.Where, b.What, b.Why) }

// Imports judges the imports of every package of the workspace.
func Imports(packages []Package) []Breach {
	var out []Breach
	for _, p := range packages {
		seen := map[string]bool{}
		for i, list := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			inTest := i > 0
			for _, to := range list {
				if seen[to] {
					continue
				}
				seen[to] = true
				if why := judgeRooms(p.ImportPath, to); why != "" {
					out = append(out, Breach{p.ImportPath, "imports " + to, why})
				} else if inTest {
					continue
				} else if why := judgeShipped(p.ImportPath, to); why != "" {
					out = append(out, Breach{p.ImportPath, "imports " + to, why})
				}
			}
		}
	}
	return out
}

// room is the module-sized part of the tree that an import path of ours belongs to: "gen", "internal", "services/x",
// "root"; "" for strangers.
func room(importPath string) string {
	rest, ok := strings.CutPrefix(importPath+"/", Root+"/")
	if !ok {
		return ""
	}
	first, rest, _ := strings.Cut(rest, "/")
	switch first {
	case "gen", "internal", "tools":
		return first
	case "services":
		name, _, _ := strings.Cut(rest, "/")
		return "services/" + name
	}
	return "root"
}

// judgeRooms holds for tests too.
func judgeRooms(from, to string) (why string) {
	a, b := room(from), room(to)
	switch {
	case b == "" || a == b || a == "root":
		return ""
	case b == "root":
		return "nothing imports the root module"
	case a == "gen":
		return "gen imports nothing of ours"
	case a == "internal":
		return "internal imports nothing of ours outside internal"
	case strings.HasPrefix(a, "services/") && strings.HasPrefix(b, "services/"):
		return "services meet over gRPC only"
	}
	return ""
}

// judgeShipped holds for what is linked into the binary.
func judgeShipped(from, to string) (why string) {
	switch {
	case isTestPackage(to) && !isTestPackage(from) && room(from) != "" && !inE2E(from):
		return "packages for tests are imported by _test.go files only"
	case strings.HasPrefix(to+"/", unguarded) && !guardsAll(from):
		return "it dials by itself: only the process that runs nothing else may have it"
	case isDriver(to) && !inEngine(from):
		return "drivers are imported in sqlite, postgres and clickhouse folders only"
	case !strings.HasPrefix(room(from), "services/"):
		return ""
	case !inEngine(from) && !isTestPackage(from) && opensDatabase(to):
		return "only the engine folders of a service touch a database"
	case !inEngine(from) && !isTestPackage(from) && room(to) == room(from) && inEngine(to):
		return "a service knows its store as an interface; engines import the service, not the other way"
	}
	return ""
}

// unguarded is the library that takes no guarded client.
const unguarded = "github.com/nicholas-fedor/shoutrrr/"

// engines are the folders that may hold SQL.
var engines = []string{"sqlite", "postgres", "clickhouse"}

func inEngine(importPath string) bool {
	return slices.ContainsFunc(strings.Split(importPath, "/"), func(elem string) bool { return slices.Contains(engines, elem) })
}

func inE2E(importPath string) bool {
	return strings.HasPrefix(importPath+"/", Root+"/e2e/") || strings.HasPrefix(importPath+"/", Root+"/bench/")
}

// isTestPackage recognises our packages for tests by their name; nettest is a product, the library of network tests.
func isTestPackage(importPath string) bool {
	base := path.Base(importPath)
	return room(importPath) != "" && strings.HasSuffix(base, "test") && base != "nettest"
}

// drivers are the modules that talk to a database.
var drivers = []string{
	"modernc.org/sqlite", "github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3",
	"github.com/jackc/pgx", "github.com/lib/pq", "github.com/ClickHouse",
}

func isDriver(importPath string) bool {
	return slices.ContainsFunc(drivers, func(d string) bool { return importPath == d || strings.HasPrefix(importPath, d+"/") })
}

// opensDatabase reports whether a package is a way to a database: the standard library's, or the ground floor's.
func opensDatabase(importPath string) bool {
	return importPath == "database/sql" || importPath == Root+"/internal/migrate" || isDriver(importPath) ||
		room(importPath) == "internal" && inEngine(importPath)
}

// Prober judges what the prober's packages link, directly or not; deps is the output of "go list -deps" for them.
func Prober(deps []string) []Breach {
	var out []Breach
	for _, d := range deps {
		if opensDatabase(d) {
			out = append(out, Breach{Root + "/services/prober", "links " + d, "the prober has no database"})
		}
	}
	return out
}
