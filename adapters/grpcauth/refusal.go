package grpcauth

import (
	"context"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
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

// refusal returns the status, the header and the trailer of a call that err refuses. The challenge
// goes into the trailer, and under ServeHTTP into the header: HTTP has no such trailer (RFC 9110
// §6.5.1), and net/http would log each one.
func (i *interceptors) refusal(ctx context.Context, err error, answer http.Header) (st *status.Status, header, trailer metadata.MD) {
	e := auth.AsError(err)
	info := &errdetails.ErrorInfo{Reason: e.Reason.Code(), Domain: Domain, Metadata: e.Params()}
	fields := http.Header{}
	i.guard.SetRefusalHeader(fields, e)
	challenge := fields["Www-Authenticate"]
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
	st = status.New(Code(e), e.Description())
	if with, err := st.WithDetails(details...); err == nil { // fails only for code OK
		st = with
	}
	header, trailer = metadata.MD{}, metadata.MD{}
	maps.Copy(trailer, metadataOf(answer)) // check: refusal-answer
	if len(challenge) == 0 {
		return st, header, trailer
	}
	if underHTTP(ctx) { // check: challenge-trailer
		header["www-authenticate"] = challenge
	} else {
		trailer["www-authenticate"] = challenge // check: challenge
	}
	return st, header, trailer
}

// underHTTP reports whether net/http serves the call, by grpc.Server.ServeHTTP: the peer's address
// is then of a type that gRPC has for it, made of http.Request.RemoteAddr.
func underHTTP(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	return ok && p.Addr != nil && reflect.TypeOf(p.Addr).String() == "transport.strAddr"
}

func (i *interceptors) refuseStream(ss grpc.ServerStream, err error, answer http.Header) error {
	st, header, trailer := i.refusal(ss.Context(), err, answer)
	_ = ss.SetHeader(header) // fails where it was sent
	ss.SetTrailer(trailer)
	return st.Err()
}
