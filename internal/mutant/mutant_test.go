//go:build !bearward_mutants

package mutant

import "testing"

func TestNormalBuildRemovesNoCheck(t *testing.T) {
	t.Setenv("BEARWARD_MUTANT", "room/check-name")
	if On("room/check-name") {
		t.Error("On is true in a normal build")
	}
}
