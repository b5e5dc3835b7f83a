package introspect

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"

	"github.com/bearward/bearward/internal/fetch"
)

// errUnreadable stands for errors that may quote what the endpoint sent.
var errUnreadable = errors.New("its answer is not HTTP that can be read, or the Client's Transport failed")

// tellable is err as logs, events and errors tell it. The endpoint knows the token and this API's
// secret: what it sends may quote them, and errors of net/http quote what was sent.
func tellable(err error) error {
	if status, ok := errors.AsType[*fetch.StatusError](err); ok {
		// check: tell-location
		return &fetch.StatusError{Code: status.Code, RetryAfter: status.RetryAfter}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return err
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return err
	}
	for _, known := range [...]error{
		fetch.ErrTooLong, io.EOF, io.ErrUnexpectedEOF, context.Canceled, http.ErrSchemeMismatch, gzip.ErrHeader, gzip.ErrChecksum,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	// check: tell-unreadable
	return errUnreadable
}

// tellablePanic is what was recovered, as logs tell it: a value that the runtime made.
func tellablePanic(v any) string {
	if err, ok := v.(runtime.Error); ok {
		return err.Error()
	}
	// check: tell-panic
	return "of a value that is not told"
}
