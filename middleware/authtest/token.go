package authtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
)

// A Change makes a token another than the good one: [Claims], [Header] or a [Defect].
type Change interface {
	stage() stage
	apply(*draft) error
}

// Claims are claims of a token, by name: they are added, or take the place of the good token's. A value is encoded as encoding/json
// does, a number for a NumericDate included; [Absent] takes a claim away.
type Claims map[string]any

// Header holds members of a token's header, by name, as [Claims] does.
type Header map[string]any

// Absent is the value of a member that is not there.
const Absent absent = 0

type absent uint8

// stage is the point of a token's making at which a Change is applied.
type stage uint8

const (
	onMembers stage = iota // the members of header and claims
	onJSON                 // their JSON text
	onEncoded              // the base64url of that
	onSigned               // after the signature is made
	onToken                // the finished text
	stages
)

// A draft is a token in the making.
type draft struct {
	issuer *Issuer
	key    *signingKey // signs
	alg    string      // of the signature, whatever the header says

	header, claims               map[string]any
	headerJSON, claimsJSON       []byte
	encodedHeader, encodedClaims string
	signature                    []byte
	token                        string
}

func (c Claims) stage() stage { return onMembers }
func (h Header) stage() stage { return onMembers }

func (c Claims) apply(d *draft) error { Claims(d.claims).merge(c); return nil }
func (h Header) apply(d *draft) error { Claims(d.header).merge(Claims(h)); return nil }

// merge takes over the members of more.
func (c Claims) merge(more Claims) {
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == Absent })
}

// Token returns a good access token (RFC 9068) with the space-delimited scopes, changed as changes say, each in its turn; "" is a token
// without scopes. It is of client "client" for user "alice", issued now and good for an hour. With [Options].Config it is in that form.
//
//	issuer.Token("read:orders write:orders")
//	issuer.Token("read:orders", authtest.Claims{"sub": "bob"})
//	issuer.Token("read:orders", authtest.Expired)
//
// It fails the test when changes cannot be made.
func (is *Issuer) Token(scope string, changes ...Change) string {
	is.tb.Helper()
	token, err := is.make(scope, changes)
	if err != nil {
		is.tb.Fatalf("authtest: Token: %v", err)
	}
	return token
}

// make is Token, for those who can do without.
func (is *Issuer) make(scope string, changes []Change) (string, error) {
	is.tb.Helper()
	key := is.keys.current()
	d := &draft{issuer: is, key: key, alg: is.keys.alg.String()}
	header, claims := is.goodToken(key, scope)
	d.header, d.claims = header, claims
	err := d.make(changes)
	return d.token, err
}

// make goes through the stages of a token's making.
func (d *draft) make(changes []Change) error {
	for at := range stages {
		for _, c := range changes {
			if c.stage() != at {
				continue
			}
			if err := c.apply(d); err != nil {
				return err
			}
		}
		if err := d.finish(at); err != nil {
			return err
		}
	}
	return nil
}

// finish does what comes after the changes of a stage.
func (d *draft) finish(at stage) (err error) {
	switch at {
	case onMembers:
		if d.headerJSON, err = json.Marshal(d.header); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if d.claimsJSON, err = json.Marshal(d.claims); err != nil {
			return fmt.Errorf("claims: %w", err)
		}
	case onJSON:
		d.encodedHeader, d.encodedClaims = encode(d.headerJSON), encode(d.claimsJSON)
	case onEncoded:
		if d.signature == nil {
			d.signature, err = sign(d.alg, d.key.private, []byte(d.input()))
		}
		return err
	case onSigned:
		d.token = d.input() + "." + encode(d.signature)
	}
	return nil
}

// input is what is signed (RFC 7515 §5.1).
func (d *draft) input() string { return d.encodedHeader + "." + d.encodedClaims }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
