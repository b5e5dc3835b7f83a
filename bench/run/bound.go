package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearward/bearward/bench/measure"
	"github.com/bearward/bearward/bench/tokens"
	"github.com/bearward/bearward/middleware/dpop"
	"github.com/bearward/bearward/middleware/mtls"

	auth "github.com/bearward/bearward/middleware"
)

// madeProofs is how many proofs are signed beforehand: an RSA signature takes thirty times as long
// to make as to check.
const madeProofs = 256

// An again is a ReplayStore for proofs that come in turns: what they are remembered by differs from
// turn to turn, so that each is new to the store.
type again struct {
	dpop.ReplayStore
	asked atomic.Uint32
}

func (a *again) First(ctx context.Context, owner, id string, ttl time.Duration) (bool, error) {
	turn := (a.asked.Add(1) - 1) / madeProofs
	var of [sha256.Size]byte
	copy(of[:], id)
	for i := range 4 {
		of[i] ^= byte(turn >> (8 * i))
	}
	return a.ReplayStore.First(ctx, owner, string(of[:]), ttl)
}

// A prover has proofs of one key, and the token that is bound to it.
type prover struct {
	key    *tokens.Key
	token  string
	proofs []string
	next   atomic.Uint32
}

func newProver(s *stand, alg, nonce string) (*prover, error) {
	key, err := tokens.NewKey(alg, "")
	if err != nil {
		return nil, err
	}
	p := &prover{key: key}
	if p.token, err = s.key.Sign(tokens.Bound(`{"jkt":"` + key.Thumbprint() + `"}`)); err != nil {
		return nil, err
	}
	p.proofs, err = key.Proofs(madeProofs, p.token, nonce)
	return p, err
}

// proof is the next one.
func (p *prover) proof() string { return p.proofs[p.next.Add(1)%madeProofs] }

// credentials are those of a request that need a proof.
func (p *prover) credentials() *auth.Credentials {
	return &auth.Credentials{Authorization: []string{"DPoP " + p.token}, Method: "GET", Target: tokens.Path, Header: http.Header{}, Answer: http.Header{}}
}

// step is what a Binding does for one request of the prover; its proof must be refused for refused,
// and accepted when that is "". When all proofs were used, another Binding takes its place, to which
// they are new: it must remember their header first, so that this adds to what is measured.
func (p *prover) step(ctx context.Context, nonces *dpop.Nonces, refused auth.Reason) (func() error, error) {
	principal, err := auth.NewPrincipal([]byte(tokens.Claims()))
	if err != nil {
		return nil, err
	}
	c, member := p.credentials(), []byte(`"`+p.key.Thumbprint()+`"`)
	field := []string{""}
	c.Header["Dpop"] = field
	var b *dpop.Binding
	used := madeProofs
	return func() error {
		if used++; used > madeProofs {
			used = 1
			b = must(dpop.New([]string{tokens.Origin}, dpop.NewMemory(4*madeProofs), &dpop.Options{Nonces: nonces}))
		}
		field[0] = p.proof()
		err := b.Check(ctx, p.token, c, principal, member)
		if e, ok := err.(*auth.Error); ok && e.Reason == refused && refused != "" {
			return nil
		}
		if err == nil && refused != "" {
			return fmt.Errorf("accepted, and not refused for %v", refused)
		}
		return err
	}, nil
}

// proofs measures what a DPoP proof costs beside its signature.
func proofs(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	nonces, err := dpop.NewNonces(time.Hour)
	if err != nil {
		return err
	}
	var cs []*measure.Contestant
	var es256 *measure.Contestant
	for _, g := range []struct {
		alg   string
		bound float64
	}{{"ES256", 1.12}, {"EdDSA", 1.15}, {"RS256", 1.3}} {
		good, err := newProver(s, g.alg, nonces.Current())
		if err != nil {
			return err
		}
		check, err := good.key.Raw(good.proofs[0])
		if err != nil {
			return err
		}
		step, err := good.step(ctx, nonces, "")
		if err != nil {
			return err
		}
		raw := measure.Of("the signature alone, "+g.alg, check)
		ours := measure.Of("**Bearward**: proof, nonce and Memory, "+g.alg, step)
		cs = append(cs, raw, ours)
		if es256 == nil {
			es256 = raw
			foreign, err := newProver(s, g.alg, "bm90LWEtbm9uY2Utb2Yt")
			if err != nil {
				return err
			}
			refused, err := foreign.step(ctx, nonces, auth.ReasonProofNonceRequired)
			if err != nil {
				return err
			}
			cs = append(cs, measure.Of("**Bearward**: refused before its signature, for a foreign nonce", refused))
		}
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, ES256", 1.12, cs[1].Over(cs[0]))
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, EdDSA", 1.15, cs[4].Over(cs[3]))
	r.atMost("proofs", "DPoP step with Memory and nonce / the signature alone, RS256", 1.3, cs[6].Over(cs[5]))
	r.atMost("proofs", "DPoP proof refused before its signature / the ES256 signature alone", 0.08, cs[2].Over(es256))
	r.compare("A DPoP proof", "What `dpop.Binding.Check` takes, for a new proof each time. Ratios are to the ES256 signature alone. The last look before the "+
		"signature is at the nonce.", es256, cs, nil)
	return nil
}

// first measures dpop.Memory with two processors at it.
func first(ctx context.Context, p plan, r *report) error {
	m := dpop.NewMemory(1 << 24)
	owners := make([]string, 256)
	for i := range owners {
		owners[i] = fmt.Sprintf("%032d", i)
	}
	var next atomic.Uint64
	ask := func(n int) error {
		id := make([]byte, 32)
		for range n {
			at := next.Add(1)
			text := strconv.AppendUint(id[:0], at, 10)
			if ok, err := m.First(ctx, owners[at%256], string(text[:cap(text)]), time.Second); err != nil || !ok {
				return fmt.Errorf("first: %v, %w", ok, err)
			}
		}
		return nil
	}
	two := &measure.Contestant{Name: "dpop.Memory, 2 procs", Run: func(n int) error { return shareOut(2, n, func(_, n int) error { return ask(n) }) }}
	if err := measure.Race(p.rounds, 8*p.slice, two); err != nil {
		return err
	}
	us := make([]float64, len(two.PerOp))
	for i, ns := range two.PerOp {
		us[i] = 2 * ns / 1000
	}
	r.atMost("first", "dpop.Memory.First at 2 procs, us of a caller", 0.6, measure.RatioOf(us))
	return nil
}

// certificates measures what a token costs that is bound to a client certificate, beside the hash
// of the certificate.
func certificates(ctx context.Context, p plan, r *report) error {
	s, err := newStand(ctx, "RS256")
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.verifier(0)
	if err != nil {
		return err
	}
	binding, err := dpop.New([]string{tokens.Origin}, dpop.NewMemory(0), nil)
	if err != nil {
		return err
	}
	without, with := must(auth.NewGuard(v, nil)), must(auth.NewGuard(v, &auth.GuardOptions{Bindings: []auth.Binding{binding, must(mtls.New(nil))}}))
	var cs []*measure.Contestant
	for _, make := range []func() ([]byte, error){rsaCertificate, smallCertificate} {
		der, err := make()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(der)
		cnf := `{"x5t#S256":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`
		ask := func(g *auth.Guard, payload string) (func() error, error) {
			token, err := s.key.Sign(payload)
			c := auth.Credentials{Operation: "GET /orders", Authorization: []string{"Bearer " + token}, Method: "GET", Target: tokens.Path,
				TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: der}}}}
			scopes := auth.Scopes("read:orders")
			return func() error { _, err := g.Authorize(ctx, c, scopes); return err }, err
		}
		for _, one := range []struct {
			name    string
			guard   *auth.Guard
			payload string
		}{
			{"**Bearward**: plain token, no Bindings", without, tokens.Plain(cnf)},
			{"**Bearward**: plain token, DPoP and mTLS configured", with, tokens.Plain(cnf)},
			{"**Bearward**: token bound to the certificate", with, tokens.Bound(cnf)},
		} {
			run, err := ask(one.guard, one.payload)
			if err != nil {
				return err
			}
			cs = append(cs, measure.Of(fmt.Sprintf("%s, certificate of %d bytes", one.name, len(der)), run))
		}
		cs = append(cs, measure.Of(fmt.Sprintf("SHA-256 of a certificate of %d bytes", len(der)), func() error {
			if sha256.Sum256(der) != sum {
				return errAnswer
			}
			return nil
		}))
	}
	if err := measure.Race(p.rounds, p.slice, cs...); err != nil {
		return err
	}
	r.atMost("certificates", "plain token through a Guard with DPoP and mTLS / without Bindings", 1.03, cs[1].Over(cs[0]))
	r.count("certificates", "the same, allocations more", 0, cs[1].Allocs-cs[0].Allocs)
	r.atMost("certificates", "bound to a certificate, remembered: added time / SHA-256 of the certificate (RSA, of a CA)", 1.3, added(cs[2], cs[1], cs[3]))
	r.count("certificates", "the same, allocations more", 1, cs[2].Allocs-cs[1].Allocs)
	r.compare("A client certificate", "`Guard.Authorize` for remembered tokens of one length. Ratios are to the first.", cs[0], cs, nil)
	return nil
}

// added is what one takes more than the other, as a share of base.
func added(one, other, base *measure.Contestant) measure.Ratio {
	rounds := make([]float64, len(base.PerOp))
	for i := range rounds {
		rounds[i] = (one.PerOp[i] - other.PerOp[i]) / base.PerOp[i]
	}
	return measure.RatioOf(rounds)
}

// rsaCertificate is a client's, as most authorities make them: RSA keys, names, and where to ask
// for revocation.
func rsaCertificate() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	subject := pkix.Name{Country: []string{"DE"}, Organization: []string{"Example Organization"}, OrganizationalUnit: []string{"Payments"}, CommonName: "client.example.com"}
	ca := &x509.Certificate{Subject: pkix.Name{Country: []string{"DE"}, Organization: []string{"Example Trust"}, CommonName: "Example Client CA"},
		SubjectKeyId: make([]byte, 20)}
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: new(big.Int).Lsh(big.NewInt(1), 120), Subject: subject, DNSNames: []string{"client.example.com"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		OCSPServer: []string{"http://ocsp.example.com"}, CRLDistributionPoints: []string{"http://crl.example.com/client-ca.crl"},
	}, ca, key.Public(), key)
}

// smallCertificate is the smallest that there is.
func smallCertificate() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	self := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	return x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
}
