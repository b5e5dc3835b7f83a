package forward

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/bearward/bearward/middleware/revocation"
)

// maxEntryBytes bounds the body of POST /revocations.
const maxEntryBytes = 16 << 10

// An entry is the body of POST /revocations: a revocation.Entry. Times are those of RFC 3339.
type entry struct {
	Issuer       string    `json:"issuer"`
	TokenID      string    `json:"token_id"`
	Subject      string    `json:"subject"`
	ClientID     string    `json:"client_id"`
	IssuedBefore time.Time `json:"issued_before"`
	Until        time.Time `json:"until"`
}

// fieldNames are those of an entry, in place of those of a revocation.Entry.
var fieldNames = strings.NewReplacer("revocation: ", "", "Entry.", "", "Issuer", "issuer", "TokenID", "token_id",
	"Subject", "subject", "ClientID", "client_id", "IssuedBefore", "issued_before", "Until", "until")

// revoke adds an entry, for operators. It answers 204 when the entry is in force. Who may read the
// metrics may not revoke for that alone: the connection comes from this machine, or from one that
// is named. A page in a browser is refused, by its Origin and by the type of its body.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if !s.hearsRevoker(r.RemoteAddr) { // check: revoke-peer
		s.o.Log.Warn("a revocation was refused: it came from none of \"revokers\"", "peer", r.RemoteAddr)
		http.Error(w, "revocations are heard from this machine, and from \"revokers\"", http.StatusForbidden)
		return
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" { // check: revoke-origin
		http.Error(w, "revocations are for programs, not for pages", http.StatusForbidden)
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" { // check: revoke-content-type
		http.Error(w, "the body must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxEntryBytes) // check: revoke-body-bound
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, fmt.Sprintf("the body cannot be read, or has more than %d bytes", maxEntryBytes), http.StatusBadRequest)
		return
	}
	var e entry
	if err := json.Unmarshal(body, &e, json.RejectUnknownMembers(true)); err != nil {
		http.Error(w, placed("the body", body, err).Error(), http.StatusBadRequest)
		return
	}
	if !s.knows(e.Issuer) { // check: revoke-issuer
		http.Error(w, "issuer is none of those whose tokens are accepted here", http.StatusBadRequest)
		return
	}
	err = s.revoked.Revoke(r.Context(), revocation.Entry(e))
	switch {
	case errors.Is(err, revocation.ErrFull):
		s.o.Log.Error("a revocation was refused: there is no room", "issuer", e.Issuer, "entries", s.revoked.Len())
		http.Error(w, "there is no room for another entry", http.StatusInsufficientStorage)
	case err != nil:
		http.Error(w, fieldNames.Replace(err.Error()), http.StatusBadRequest)
	default:
		s.o.Log.Info("a revocation was added", "issuer", e.Issuer, "of", e.kind(), "until", e.Until)
		w.WriteHeader(http.StatusNoContent)
	}
}

// hearsRevoker reports whether a connection may revoke.
func (s *Server) hearsRevoker(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	from := peer.Addr().Unmap()
	return from.IsLoopback() || slices.ContainsFunc(s.now().revokers, func(p netip.Prefix) bool { return p.Contains(from) })
}

// kind is what the entry names. What is logged of it has no ID in it.
func (e *entry) kind() string {
	switch {
	case e.TokenID != "":
		return "a token"
	case e.Subject != "":
		return "a subject"
	}
	return "a client"
}

// knows reports whether tokens of the issuer are accepted.
func (s *Server) knows(issuer string) bool {
	for _, one := range s.now().guard.Status() {
		if one.Issuer == issuer {
			return true
		}
	}
	return false
}
