package grpcauth

import (
	"maps"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	auth "github.com/bearward/bearward/middleware"
)

// Domain is the domain of the google.rpc.ErrorInfo of every refusal (AIP-193).
const Domain = "bearward"

// Code returns the status code of a refusal: the image of its HTTP status.
func Code(err *auth.Error) codes.Code {
	switch err.Status() {
	case http.StatusBadRequest:
		return codes.InvalidArgument // so that clients do not refresh tokens over a malformed header
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// refusal returns the status and the trailer of a call that err refuses.
func (i *interceptors) refusal(err error, answer http.Header) (*status.Status, metadata.MD) {
	e := auth.AsError(err)
	info := &errdetails.ErrorInfo{Reason: e.Reason.Code(), Domain: Domain, Metadata: map[string]string{}}
	for name, value := range map[string]string{
		"error": e.OAuthError(),
		"scope": strings.Join(e.Scopes, " "),
	} {
		if value != "" {
			info.Metadata[name] = value
		}
	}
	challenge := i.guard.Challenge(e)
	if m := i.guard.ResourceMetadata(); m != "" && len(challenge) > 0 {
		info.Metadata["resource_metadata"] = m
	}
	for name, values := range answer { // for clients that get no trailers
		if len(values) == 1 {
			info.Metadata[strings.ToLower(name)] = values[0]
		}
	}
	details := []protoadapt.MessageV1{info}
	if after := e.RetryAfter(); after > 0 { // check: retry-info
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	st := status.New(Code(e), e.Description())
	if with, err := st.WithDetails(details...); err == nil { // fails only for code OK
		st = with
	}
	trailer := metadata.MD{}
	maps.Copy(trailer, metadataOf(answer)) // check: refusal-answer
	if len(challenge) > 0 {                // check: challenge
		trailer["www-authenticate"] = challenge
	}
	return st, trailer
}

func (i *interceptors) refuseStream(ss grpc.ServerStream, err error, answer http.Header) error {
	st, trailer := i.refusal(err, answer)
	ss.SetTrailer(trailer)
	return st.Err()
}
