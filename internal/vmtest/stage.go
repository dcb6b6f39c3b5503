//go:build unix

package vmtest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// initPackage is process 1.
const initPackage = "canseal/internal/vmtest/vminit"

// stage fills a folder that becomes the guest's root.
func stage(root string, k kernel, g Guest) error {
	for _, d := range []string{"mod", "out", "proc", "sys", "dev", "tmp", "run", "bin", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	if err := build(root, g); err != nil {
		return err
	}
	for _, module := range modules(g.Script) {
		if err := stageModule(root, k.modules, module); err != nil {
			return err
		}
	}
	for to, from := range g.Files {
		if err := copyTree(filepath.Join(root, to), from); err != nil {
			return err
		}
	}
	for _, name := range g.Host {
		if err := stageHost(root, name); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(root, "script"), []byte(g.Script+"\n"), 0o644)
}

// build makes static binaries: the guest has no C library of its own.
func build(root string, g Guest) error {
	if err := goTool(root, "/vminit", initPackage, "build"); err != nil {
		return err
	}
	for _, to := range slices.Sorted(maps.Keys(g.Programs)) {
		if err := goTool(root, to, g.Programs[to], "build"); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(g.Tests)) {
		if err := goTool(root, to, g.Tests[to], "test", "-c"); err != nil {
			return err
		}
	}
	return nil
}

func goTool(root, to, pkg string, words ...string) error {
	c := exec.Command("go", append(words, "-o", filepath.Join(root, to), pkg)...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s %s: %w\n%s", words[0], pkg, err, out)
	}
	return nil
}

var modStep = regexp.MustCompile(`(?m)^\s*mod\s+(\S+)`)

// modules returns the names that a script loads.
func modules(script string) (names []string) {
	for _, m := range modStep.FindAllStringSubmatch(script, -1) {
		names = append(names, m[1])
	}
	return names
}

func stageModule(root, folder, name string) error {
	found := ""
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == name+".ko" {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return err
	}
	if found == "" {
		return fmt.Errorf("no module %s.ko below %s", name, folder)
	}
	return copyTree(filepath.Join(root, "mod", name+".ko"), found)
}

// stageHost copies a program of the host and the libraries that ldd names.
func stageHost(root, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if err := copyTree(filepath.Join(root, "bin", filepath.Base(name)), path); err != nil {
		return err
	}
	out, err := exec.Command("ldd", path).Output()
	if err != nil {
		return nil // static
	}
	for _, word := range strings.Fields(string(out)) {
		if !filepath.IsAbs(word) {
			continue
		}
		if err := copyTree(filepath.Join(root, word), word); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file, or a folder with all below it, following links.
func copyTree(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := copyTree(filepath.Join(to, e.Name()), filepath.Join(from, e.Name())); err != nil {
				return err
			}
		}
		return os.MkdirAll(to, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}
