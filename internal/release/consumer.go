package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// zip writes the modules into a file-system proxy below dir, as a proxy serves them, from a clone
// that is tagged as the version to come.
func (r *release) zip(ctx context.Context, dir string) (string, error) {
	clone := filepath.Join(dir, "clone")
	if _, err := r.git(ctx, "clone", "-q", "--no-tags", r.repo, clone); err != nil {
		return "", err
	}
	if _, err := run(ctx, clone, nil, "git", "-c", "advice.detachedHead=false", "checkout", "-q", r.commit); err != nil {
		return "", err
	}
	for _, folder := range r.modules {
		if _, err := run(ctx, clone, nil, "git", "tag", path.Join(folder, r.version)); err != nil {
			return "", err
		}
	}
	var bytes int64
	for _, folder := range r.modules {
		m := module.Version{Path: modulePath(folder), Version: r.version}
		at := filepath.Join(dir, "proxy", filepath.FromSlash(m.Path), "@v")
		if err := os.MkdirAll(at, 0o755); err != nil {
			return "", err
		}
		f, err := os.Create(filepath.Join(at, m.Version+".zip"))
		if err != nil {
			return "", err
		}
		err = zip.CreateFromVCS(f, m, clone, path.Join(folder, r.version), folder)
		if size, e := f.Seek(0, 2); e == nil {
			bytes += size
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("%s: %w", m.Path, err)
		}
		info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Now().UTC().Format(time.RFC3339)})
		if err != nil {
			return "", err
		}
		for name, text := range map[string][]byte{m.Version + ".info": info, m.Version + ".mod": r.files[folder], "list": []byte(m.Version + "\n")} {
			if err := os.WriteFile(filepath.Join(at, name), text, 0o644); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%d modules, %.1f MB", len(r.modules), float64(bytes)/1e6), nil
}

// environment is that of a consumer: the rehearsed modules come from the proxy below dir, all
// others from where they come from otherwise. The module cache is the user's, so that what was
// compiled before is not compiled again; see forget.
func environment(ctx context.Context, dir string) ([]string, error) {
	usual, err := run(ctx, dir, nil, "go", "env", "GOPROXY")
	if err != nil {
		return nil, err
	}
	return []string{
		"GOPROXY=file://" + filepath.ToSlash(filepath.Join(dir, "proxy")) + "," + strings.TrimSpace(usual), "GOBIN=" + filepath.Join(dir, "bin"),
		"GONOSUMDB=" + rootPath + "," + rootPath + "/*", "GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local",
		"GODEBUG=goindex=0", // the index takes it that a version never changes, and this one does from rehearsal to rehearsal
	}, nil
}

// forget takes the version to come out of the user's module cache. Nobody but a rehearsal can have
// put it there: it is not published.
func (r *release) forget(ctx context.Context) error {
	cache, err := run(ctx, r.repo, nil, "go", "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	cache = strings.TrimSpace(cache)
	for _, folder := range r.modules {
		m := filepath.FromSlash(modulePath(folder))
		removeModule(filepath.Join(cache, m+"@"+r.version))
		files, err := filepath.Glob(filepath.Join(cache, "cache", "download", m, "@v", r.version+".*"))
		if err != nil {
			return err
		}
		for _, name := range files {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// packages lists the importable packages of the module in a folder.
func (r *release) packages(ctx context.Context, folder string) ([]string, error) {
	text, err := run(ctx, filepath.Join(r.repo, folder), []string{"GOWORK=off"}, "go", "list", "-f", "{{if ne .Name \"main\"}}{{.ImportPath}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Fields(text), func(p string) bool { return strings.Contains(p+"/", "/internal/") }), nil
}

// consume makes a program of its own that imports packages of a module, and builds it. It returns
// its folder.
func (r *release) consume(ctx context.Context, dir, folder string, packages []string) (string, error) {
	env, err := environment(ctx, dir)
	if err != nil {
		return "", err
	}
	at, err := os.MkdirTemp(dir, "consumer")
	if err != nil {
		return "", err
	}
	var imports strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&imports, "\t_ %q\n", p)
	}
	for name, text := range map[string]string{
		"go.mod":  "module consumer.example/program\n\ngo 1.26.0\n\nrequire " + modulePath(folder) + " " + r.version + "\n",
		"main.go": "package main\n\nimport (\n" + imports.String() + ")\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	// The module's own go.sum has the hashes of what it needs: they are checked, and no database is
	// asked.
	sums, err := r.git(ctx, "show", "HEAD:"+path.Join(folder, "go.sum"))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(at, "go.sum"), []byte(sums), 0o644); err != nil {
		return "", err
	}
	_, err = run(ctx, at, append(env, "GOSUMDB=off"), "go", "build", "-o", os.DevNull, ".")
	return at, err
}

// buildAll builds each published module as a consumer of it does.
func (r *release) buildAll(ctx context.Context, dir string) (string, error) {
	n := 0
	for _, folder := range r.modules {
		packages, err := r.packages(ctx, folder)
		if err != nil {
			return "", err
		}
		if len(packages) == 0 {
			return "", fmt.Errorf("%s has no package", modulePath(folder))
		}
		if _, err := r.consume(ctx, dir, folder, packages); err != nil {
			return "", fmt.Errorf("%s: %w", modulePath(folder), err)
		}
		n += len(packages)
	}
	return fmt.Sprintf("%d packages", n), nil
}

// install installs the command as its users do, and runs it.
func (r *release) install(ctx context.Context, dir string) (string, error) {
	env, err := environment(ctx, dir)
	if err != nil {
		return "", err
	}
	if _, err := run(ctx, dir, append(env, "GOSUMDB=off", "GOFLAGS="), "go", "install", rootPath+"/cmd/bearward@"+r.version); err != nil {
		return "", err
	}
	said, err := run(ctx, dir, nil, filepath.Join(dir, "bin", "bearward"), "help")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(said, "\n")
	return first, nil
}

// frameworks are what a consumer of package middleware alone must not get.
var frameworks = []string{"github.com/go-chi/chi", "github.com/labstack/echo", "google.golang.org/grpc"}

// middlewareAlone builds a program of package middleware alone: no router and no gRPC is downloaded
// for it, and none is in its go.sum.
func (r *release) middlewareAlone(ctx context.Context, dir string) (string, error) {
	at, err := r.consume(ctx, dir, "", []string{rootPath + "/middleware"})
	if err != nil {
		return "", err
	}
	env, err := environment(ctx, dir)
	if err != nil {
		return "", err
	}
	if err := os.Remove(filepath.Join(at, "go.sum")); err != nil {
		return "", err
	}
	if _, err := run(ctx, at, append(env, "GOSUMDB=off"), "go", "mod", "tidy"); err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(at, "go.sum"))
	if err != nil {
		return "", err
	}
	for _, f := range frameworks {
		if strings.Contains(string(sums), f) {
			return "", fmt.Errorf("go.sum of a consumer of middleware has %s", f)
		}
	}
	return "neither chi nor Echo nor gRPC in its go.sum", nil
}

// removeModule removes a folder of a module cache: such folders are read-only.
func removeModule(dir string) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(name, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}
