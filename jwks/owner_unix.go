//go:build unix

package jwks

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner tells why a file or a folder may be in others' hands: another user than the process's
// or root owns it, or others may write it.
func checkOwner(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	return checkHands(int(stat.Uid), os.Geteuid(), info.Mode())
}

func checkHands(owner, self int, mode fs.FileMode) error {
	if owner != self && owner != 0 { // check: snapshot-owner
		return errors.New("another user owns it")
	}
	if mode.Perm()&0o022 != 0 { // check: snapshot-mode
		return errors.New("others may write it")
	}
	return nil
}
