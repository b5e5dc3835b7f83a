package main

import (
	"context"
	"hash/fnv"
	"slices"
	"strings"
)

// order returns the mutants in changed files first, and then the others. Each part begins at a
// place that the commit tells, so that runs of different commits which end early try different
// shares, and neighbours share the tests that were built.
func order(mutants []mutant, changed map[string]bool, commit string) []mutant {
	var first, rest []mutant
	for _, m := range mutants {
		if changed[m.file] {
			first = append(first, m)
		} else {
			rest = append(rest, m)
		}
	}
	h := fnv.New64a()
	h.Write([]byte(commit))
	turned := func(part []mutant) []mutant {
		if len(part) == 0 {
			return nil
		}
		at := int(h.Sum64() % uint64(len(part)))
		return slices.Concat(part[at:], part[:at])
	}
	return slices.Concat(turned(first), turned(rest))
}

// lastCommits are looked at where there is no branch of origin to compare with.
const lastCommits = 5

// changedFiles returns the files that differ from where the branch left that of origin, or from a
// few commits ago on that branch itself. Without git, or without history, it returns none.
func changedFiles(ctx context.Context, root string) map[string]bool {
	git := func(args ...string) string {
		out, err := command(ctx, root, "git", args...)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	var base string
	for _, branch := range []string{"origin/HEAD", "origin/main"} {
		if base = git("merge-base", "HEAD", branch); base != "" {
			break
		}
	}
	if base == "" || base == git("rev-parse", "HEAD") {
		commits := strings.Fields(git("rev-list", "--first-parent", "--max-count=6", "HEAD"))
		if len(commits) == 0 {
			return nil
		}
		base = commits[min(lastCommits, len(commits)-1)]
	}
	changed := map[string]bool{}
	for name := range strings.Lines(git("diff", "--name-only", base)) {
		changed[strings.TrimSpace(name)] = true
	}
	return changed
}

// head returns the hash of the commit, "" without git.
func head(ctx context.Context, root string) string {
	out, err := command(ctx, root, "git", "rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
