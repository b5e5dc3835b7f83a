//go:build unix

package main

import (
	"os"
	"syscall"
)

// suspend makes a process hang, until resume.
func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
