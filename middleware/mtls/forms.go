package mtls

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
)

// maxFieldBytes bounds a proxy's field. A certificate rarely has more than 3 KiB, in PEM and
// percent-encoding a third more; Envoy's chains are the longest.
const maxFieldBytes = 64 << 10

var (
	errLong     = errors.New("longer than 64 KiB")
	errColons   = errors.New("not one byte sequence between colons (RFC 9440 §2.2)")
	errBase64   = errors.New("not base64 in its canonical form")
	errEscape   = errors.New("not percent-encoding")
	errPEM      = errors.New("not one certificate in PEM")
	errElements = errors.New("not elements of name=value pairs")
	errHash     = errors.New("its Hash is not a SHA-256 in hex")
	errTwice    = errors.New("its element has a Hash or a Cert twice")
	errNeither  = errors.New("its element has neither Hash nor Cert")
	errHops     = errors.New("fewer elements than Hop asks for")
)

// readField sets to to the SHA-256 of the one certificate in value. Whether its DER is a
// certificate does not matter: only that of one has the hash that an issuer signed.
func readField(value string, form Form, hop int, to *[sha256.Size]byte) error {
	if len(value) > maxFieldBytes { // check: field-size
		return errLong
	}
	switch form {
	case EscapedPEM:
		return readEscapedPEM(value, to)
	case XFCC:
		return readXFCC(value, hop, to)
	case Base64DER:
		return readBase64(value, to)
	default:
		if len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' { // check: colons
			return errColons
		}
		return readBase64(value[1:len(value)-1], to)
	}
}

var strictBase64 = base64.StdEncoding.Strict()

// readBase64 reads DER in base64, with its padding.
func readBase64(text string, to *[sha256.Size]byte) error {
	if text == "" || strings.ContainsAny(text, "\r\n") { // check: base64-lines
		return errBase64
	}
	der, err := strictBase64.DecodeString(text)
	if err != nil { // check: base64
		return errBase64
	}
	*to = sha256.Sum256(der)
	return nil
}

const pemBegin = "-----BEGIN CERTIFICATE-----\n"

// readEscapedPEM reads one certificate in PEM (RFC 7468 §5.1) and percent-encoding.
func readEscapedPEM(text string, to *[sha256.Size]byte) error {
	doc, err := url.PathUnescape(text) // in which "+", of base64, is no space
	if err != nil {
		return errEscape
	}
	doc = strings.ReplaceAll(doc, "\r\n", "\n")
	if !strings.HasPrefix(doc, pemBegin) { // check: pem-begin
		return errPEM
	}
	if strings.Count(doc, "-----BEGIN") != 1 { // check: pem-begins-once
		return errPEM // pem.Decode passes over one that it cannot read, and takes the next
	}
	block, rest := pem.Decode([]byte(doc))
	if block == nil {
		return errPEM
	}
	if len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 { // check: pem-one
		return errPEM
	}
	*to = sha256.Sum256(block.Bytes)
	return nil
}

// readXFCC reads the element that hop names. All elements are read: one that does not end would
// swallow those behind it.
func readXFCC(value string, hop int, to *[sha256.Size]byte) error {
	var elements []xfccElement
	for more := true; more; {
		var e xfccElement
		var err error
		if value, more, err = e.read(value); err != nil {
			return err
		}
		elements = append(elements, e)
	}
	if hop >= len(elements) { // check: xfcc-hop
		return errHops
	}
	return elements[max(len(elements)-1-hop, 0)].thumbprint(to)
}

// An xfccElement has what an element of X-Forwarded-Client-Cert says of the certificate.
type xfccElement struct {
	hash, cert []string
}

// read reads the first element of s, and returns what is behind its comma.
func (e *xfccElement) read(s string) (rest string, more bool, err error) {
	for {
		name, behind, ok := strings.Cut(s, "=")
		name = strings.Trim(name, " ")
		if !ok || name == "" || strings.ContainsAny(name, `,;" `) { // check: xfcc-name
			return "", false, errElements
		}
		value, behind, err := xfccValue(behind)
		if err != nil {
			return "", false, err
		}
		switch {
		case strings.EqualFold(name, "Hash"):
			e.hash = append(e.hash, value)
		case strings.EqualFold(name, "Cert"):
			e.cert = append(e.cert, value)
		}
		switch {
		case behind == "":
			return "", false, nil
		case behind[0] == ',':
			return behind[1:], true, nil
		}
		s = behind[1:]
	}
}

// xfccValue reads the value that s begins with, in double quotes or without, and returns what is
// behind it: nothing, or a text that begins with a comma or semicolon.
func xfccValue(s string) (value, behind string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		if strings.ContainsAny(s[:end], `"\`) { // check: xfcc-bare-quote
			return "", "", errElements
		}
		return strings.TrimRight(s[:end], " "), s[end:], nil
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			behind = strings.TrimLeft(s[i+1:], " ")
			if behind != "" && behind[0] != ',' && behind[0] != ';' { // check: xfcc-quote-end
				return "", "", errElements
			}
			return strings.ReplaceAll(s[1:i], `\"`, `"`), behind, nil
		}
	}
	return "", "", errElements
}

// thumbprint sets to to the certificate's hash.
func (e *xfccElement) thumbprint(to *[sha256.Size]byte) error {
	switch {
	case len(e.hash) > 1 || len(e.cert) > 1: // check: xfcc-twice
		return errTwice
	case len(e.hash) == 1:
		n, err := hex.Decode(to[:], limited(e.hash[0]))
		if err != nil || n != len(to) { // check: xfcc-hash
			return errHash
		}
		return nil
	case len(e.cert) == 1:
		return readEscapedPEM(e.cert[0], to)
	}
	return errNeither
}

// limited returns s, and nothing when it is longer than a SHA-256 in hex.
func limited(s string) []byte {
	if len(s) > 2*sha256.Size {
		return nil
	}
	return []byte(s)
}
