package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

const rootPath = "github.com/bearward/bearward"

// A release is what is committed in a repository, under the version that the changelog begins with.
type release struct {
	repo, commit, version string
	changes               string            // the changelog's newest section
	modules               []string          // folders of published modules, "" for the root
	files                 map[string][]byte // go.mod files of all modules, by folder
}

// open reads a repository.
func open(ctx context.Context, repo string) (*release, error) {
	repo, err := filepath.Abs(repo)
	if err != nil {
		return nil, err
	}
	r := &release{repo: repo, files: map[string][]byte{}}
	if r.commit, err = r.git(ctx, "rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	r.commit = strings.TrimSpace(r.commit)
	log, err := r.git(ctx, "show", "HEAD:CHANGELOG.md")
	if err != nil {
		return nil, err
	}
	if r.version, r.changes, err = newest(log); err != nil {
		return nil, err
	}
	list, err := r.git(ctx, "ls-tree", "-r", "--name-only", "HEAD")
	if err != nil {
		return nil, err
	}
	for name := range strings.Lines(list) {
		name = strings.TrimSpace(name)
		if path.Base(name) != "go.mod" || strings.Contains(name, "testdata/") {
			continue
		}
		folder := strings.TrimPrefix(path.Dir(name), ".")
		text, err := r.git(ctx, "show", "HEAD:"+name)
		if err != nil {
			return nil, err
		}
		r.files[folder] = []byte(text)
		if folder == "" || strings.HasPrefix(folder, "adapters/") {
			r.modules = append(r.modules, folder)
		}
	}
	slices.Sort(r.modules)
	if len(r.modules) < 2 || r.modules[0] != "" {
		return nil, fmt.Errorf("only the modules %q are published", r.modules)
	}
	return r, nil
}

// newest returns the version and the text of the changelog's newest section.
func newest(log string) (version, text string, err error) {
	_, rest, found := strings.Cut(log, "\n## ")
	heading, rest, _ := strings.Cut(rest, "\n")
	version, _, _ = strings.Cut(strings.TrimSpace(heading), ",")
	if !found || !semver.IsValid(version) || semver.Canonical(version) != version {
		return "", "", fmt.Errorf("CHANGELOG.md begins with %q, want a version", heading)
	}
	text, _, _ = strings.Cut(rest, "\n## ")
	return version, text, nil
}

// git runs git in the repository.
func (r *release) git(ctx context.Context, args ...string) (string, error) {
	return run(ctx, r.repo, nil, "git", args...)
}

// run runs a command, and returns what it wrote. The error has what it complained of.
func run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, complaint.Bytes())
	}
	return string(out), nil
}

// modulePath is the path of the module in a folder.
func modulePath(folder string) string { return path.Join(rootPath, folder) }

// checkRequirements holds every go.mod to the version that is released: a consumer gets no replace.
func (r *release) checkRequirements(context.Context, string) (string, error) {
	var wrong []error
	for folder, text := range r.files {
		f, err := modfile.Parse(path.Join(folder, "go.mod"), text, nil)
		if err != nil {
			return "", err
		}
		if f.Module.Mod.Path != modulePath(folder) {
			wrong = append(wrong, fmt.Errorf("%s/go.mod is of module %s", folder, f.Module.Mod.Path))
		}
		for _, need := range f.Require {
			if (need.Mod.Path == rootPath || strings.HasPrefix(need.Mod.Path, rootPath+"/")) && need.Mod.Version != r.version {
				wrong = append(wrong, fmt.Errorf("%s/go.mod requires %s, want %s", folder, need.Mod, r.version))
			}
		}
	}
	return fmt.Sprintf("%d files", len(r.files)), errors.Join(wrong...)
}

// Where the public surface stands, and what it was when there is no tag yet.
const (
	surfaceFile = "internal/house/api.txt"
	basisFile   = "internal/house/api.basis.txt"
)

// checkChanges wants a line of the changelog for each name that is gone from the surface, or has
// changed, since the newest tag: one that begins with [CHANGE] or [SECURITY] and has the name.
func (r *release) checkChanges(ctx context.Context, _ string) (string, error) {
	tags, err := r.git(ctx, "tag", "--list", "v*", "--merged", "HEAD")
	if err != nil {
		return "", err
	}
	versions := strings.Fields(tags)
	semver.Sort(versions)
	basis, since := basisFile, "the basis"
	var before string
	if len(versions) > 0 {
		since = versions[len(versions)-1]
		before, err = r.git(ctx, "show", since+":"+surfaceFile)
	} else {
		before, err = r.git(ctx, "show", "HEAD:"+basis)
	}
	if err != nil {
		return "", err
	}
	now, err := r.git(ctx, "show", "HEAD:"+surfaceFile)
	if err != nil {
		return "", err
	}
	gone, missing := notTold(before, now, r.changes)
	if len(missing) > 0 {
		return "", fmt.Errorf("gone since %s, and no [CHANGE] line of the changelog says so:\n%s", since, strings.Join(missing, "\n"))
	}
	return fmt.Sprintf("%d lines are gone since %s", gone, since), nil
}

// lastName finds the name that a line of the surface is about.
var lastName = regexp.MustCompile(`^[^:]+: (?:const|var|type|func|field \((\w+)\)|method \(\*?(\w+)\)) ?(\w+)`)

// notTold counts the lines of a surface that are gone, and lists those that no [CHANGE] or
// [SECURITY] line of the changes names.
func notTold(before, now, changes string) (gone int, lines []string) {
	var told []string
	for line := range strings.Lines(changes) {
		if strings.HasPrefix(line, "- [CHANGE]") || strings.HasPrefix(line, "- [SECURITY]") {
			told = append(told, line)
		}
	}
	has := strings.Split(now, "\n")
	for line := range strings.Lines(before) {
		line = strings.TrimSpace(line)
		if line == "" || slices.Contains(has, line) {
			continue
		}
		gone++
		m := lastName.FindStringSubmatch(line)
		if m == nil {
			lines = append(lines, line)
			continue
		}
		word := regexp.MustCompile(`\b` + m[3] + `\b`)
		owner := cmp.Or(m[1], m[2])
		if !slices.ContainsFunc(told, func(t string) bool {
			return word.MatchString(t) || owner != "" && regexp.MustCompile("`[^`]*\\b"+owner+"`").MatchString(t)
		}) {
			lines = append(lines, line)
		}
	}
	return gone, lines
}
