package echoauth

import (
	"net/http"

	"github.com/labstack/echo/v4"

	auth "github.com/bearward/bearward/middleware"
)

// refusal returns the error for an HTTPErrorHandler. Its Message is the text that callers may read,
// as in Echo's own errors. Echo's DefaultHTTPErrorHandler writes the Message of an HTTPError that
// is the Internal of another one: that is the problem document.
func refusal(guard *auth.Guard, c echo.Context, err error) error {
	e, header := auth.AsError(err), c.Response().Header()
	kind, had := header[echo.HeaderContentType]
	guard.SetRefusalHeader(header, e)
	switch { // Content-Type is the writer's
	case had:
		header[echo.HeaderContentType] = kind
	case c.Request().Method != http.MethodHead: // where nobody writes a body
		delete(header, echo.HeaderContentType)
	}
	inner := &echo.HTTPError{Code: e.Status(), Message: problem{e, header}, Internal: e}
	return &echo.HTTPError{Code: e.Status(), Message: e.Description(), Internal: inner}
}

// A problem is the body of a refusal.
type problem struct {
	err    *auth.Error
	header http.Header // of the answer
}

// MarshalJSON returns the problem document (RFC 9457). Echo calls it while it writes the answer;
// the Content-Type is set then, when the body is known to be this one.
func (p problem) MarshalJSON() ([]byte, error) {
	p.header.Set(echo.HeaderContentType, "application/problem+json")
	return p.err.MarshalJSON()
}

// String returns the text that callers may read.
func (p problem) String() string { return p.err.Description() }

// GoString is String.
func (p problem) GoString() string { return p.String() }
