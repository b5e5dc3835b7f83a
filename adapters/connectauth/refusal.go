package connectauth

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	auth "github.com/bearward/bearward/middleware"
)

// Domain is the domain of the google.rpc.ErrorInfo of every refusal (AIP-193).
const Domain = "bearward"

const challengeField = "Www-Authenticate"

// Code returns the code of a refusal: the image of its HTTP status.
func Code(err *auth.Error) connect.Code {
	switch err.Status() {
	case http.StatusBadRequest:
		return connect.CodeInvalidArgument // so that clients do not refresh tokens over a malformed header
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated
	case http.StatusForbidden:
		return connect.CodePermissionDenied
	case http.StatusServiceUnavailable:
		return connect.CodeUnavailable
	}
	return connect.CodeInternal
}

// refusal returns what a caller is told of err. Its Meta has the challenge, and the fields of
// answer.
func (m *Mux) refusal(err error, answer http.Header) *connect.Error {
	e := auth.AsError(err)
	refused := connect.NewError(Code(e), errors.New(e.Description()))
	fields := http.Header{}
	m.guard.SetRefusalHeader(fields, e)
	info := &errdetails.ErrorInfo{Reason: e.Reason.Code(), Domain: Domain, Metadata: e.Params()}
	if challenge := fields[challengeField]; len(challenge) > 0 {
		refused.Meta()[challengeField] = challenge // check: challenge
		if u := m.guard.ResourceMetadata(); u != "" {
			info.Metadata["resource_metadata"] = u
		}
	}
	for name, values := range answer { // for clients that get no trailers
		if len(values) == 1 {
			info.Metadata[strings.ToLower(name)] = values[0]
		}
	}
	maps.Copy(refused.Meta(), answer) // check: refusal-answer
	details := []proto.Message{info}
	if after := e.RetryAfter(); after > 0 { // check: retry-info
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	for _, message := range details {
		if d, err := connect.NewErrorDetail(message); err == nil { // these have no field that could fail
			refused.AddDetail(d)
		}
	}
	return refused
}

// refuse answers a request that err refuses, as its client's protocol has it.
func (m *Mux) refuse(w http.ResponseWriter, r *http.Request, s *service, err error, answer http.Header) {
	fields := http.Header{}
	m.guard.SetRefusalHeader(fields, auth.AsError(err))
	for _, name := range []string{"Cache-Control", "Retry-After"} {
		if values := fields[name]; len(values) > 0 {
			w.Header()[name] = values // check: refusal-header
		}
	}
	refused := m.refusal(err, answer)
	if isGRPC(r) { // check: challenge-trailer
		moveChallenge(w.Header(), refused)
	}
	_ = s.errors.Write(w, r, refused)
}

// isGRPC reports whether the answer has trailers of HTTP.
func isGRPC(r *http.Request) bool {
	kind, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+")
}

// moveChallenge moves the challenge from what becomes trailers to the header. HTTP has no such
// trailer (RFC 9110 §6.5.1): net/http would log each one and leave it out.
func moveChallenge(header http.Header, refused *connect.Error) {
	if challenge := refused.Meta()[challengeField]; len(challenge) > 0 {
		header[challengeField] = challenge
		delete(refused.Meta(), challengeField)
	}
}
