//go:build unix

package jwks

import (
	"io/fs"
	"testing"
)

func TestWhoseHandsAFileIsIn(t *testing.T) {
	for name, tt := range map[string]struct {
		owner, self int
		mode        fs.FileMode
		want        bool
	}{
		"the process's":            {1000, 1000, 0o600, true},
		"root's":                   {0, 1000, 0o644, true},
		"another's":                {1001, 1000, 0o600, false},
		"another's, run by root":   {1001, 0, 0o600, false},
		"writable by its group":    {1000, 1000, 0o660, false},
		"writable by all":          {1000, 1000, 0o602, false},
		"a folder for all, sticky": {0, 1000, fs.ModeDir | fs.ModeSticky | 0o777, false},
		"a folder to look into":    {0, 1000, fs.ModeDir | 0o755, true},
	} {
		if err := checkHands(tt.owner, tt.self, tt.mode); (err == nil) != tt.want {
			t.Errorf("%s: %v, want it used: %v", name, err, tt.want)
		}
	}
}
