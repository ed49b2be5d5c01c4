package clickhousetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// chdbVersion is the release that tools/fetch-chdb fetches.
const chdbVersion = "26.7.3-stable.1"

// means is what a server can be started with: either a clickhouse binary, or the launcher and the library.
type means struct {
	server            string
	launcher, library string
}

func locate() (means, error) {
	if server, err := exec.LookPath("clickhouse"); err == nil {
		return means{server: server}, nil
	}
	if runtime.GOOS != "linux" {
		return means{}, errors.New("no clickhouse on PATH, and libchdb is used on Linux only; or name a server in FROGUP_TEST_CLICKHOUSE")
	}
	cache, err := cacheDir()
	if err != nil {
		return means{}, err
	}
	library := os.Getenv("FROGUP_CHDB_LIB")
	if library == "" {
		library = filepath.Join(cache, "chdb", chdbVersion, "libchdb.so")
	}
	if _, err := os.Stat(library); err != nil {
		return means{}, fmt.Errorf("no clickhouse on PATH, and no engine: %w (tools/fetch-chdb gets it)", err)
	}
	launcher := os.Getenv("FROGUP_CHENGINE")
	if launcher == "" {
		if launcher, err = buildLauncher(filepath.Join(cache, "chengine")); err != nil {
			return means{}, fmt.Errorf("build the launcher: %w", err)
		}
	}
	return means{launcher: launcher, library: library}, nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv("FROGUP_CHDB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".cache", "frogup"), err
}

// buildLauncher builds tools/chengine unless the cache has it, by the contents of its sources. Test binaries that need it
// at the same time take turns.
func buildLauncher(cache string) (string, error) {
	source, err := findAbove(filepath.Join("tools", "chengine"))
	if err != nil {
		return "", err
	}
	sum, err := sumOf(source)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, sum)
	binary := filepath.Join(dir, "chengine")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", os.NewSyscallError("flock", err)
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	fresh := filepath.Join(dir, "fresh")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", fresh, ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, os.Rename(fresh, binary)
}

// findAbove looks for a path of the repository from the working directory, which in a test is its package's, upwards.
func findAbove(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		candidate := filepath.Join(dir, path)
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no %s above the working directory", path)
		}
		dir = up
	}
}

func sumOf(source string) (string, error) {
	files, err := os.ReadDir(source)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH)
	for _, f := range files {
		if f.IsDir() || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(source, f.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, f.Name(), len(content))
		_, _ = sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}
