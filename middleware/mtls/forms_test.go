package mtls

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"

	"github.com/bearward/bearward/internal/fuzztest"
	"github.com/bearward/bearward/middleware/authtest"
)

// written returns the forms of one certificate as proxies write them, and its hash in hex.
func written(c *authtest.Certificate) (forms map[Form]string, hash, escaped string) {
	der := c.X509().Raw
	b64 := base64.StdEncoding.EncodeToString(der)
	escaped = url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	sum := sha256.Sum256(der)
	hash = hex.EncodeToString(sum[:])
	return map[Form]string{RFC9440: ":" + b64 + ":", EscapedPEM: escaped, XFCC: "Hash=" + hash, Base64DER: b64}, hash, escaped
}

func TestFormsOfOneCertificate(t *testing.T) {
	c := authtest.NewCertificate(t)
	want := sha256.Sum256(c.X509().Raw)
	forms, hash, escaped := written(c)
	_, otherHash, otherEscaped := written(authtest.NewCertificate(t))
	b64, der := forms[Base64DER], forms[RFC9440]
	crlf := url.PathEscape(strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509().Raw})), "\n", "\r\n"))
	for name, tt := range map[string]struct {
		form  Form
		hop   int
		value string
		err   error
	}{
		"RFC 9440":                        {RFC9440, 0, der, nil},
		"RFC 9440, two in a list":         {RFC9440, 0, der + ", " + der, errBase64},
		"RFC 9440, three in a list":       {RFC9440, 0, der + "," + der + "," + der, errBase64},
		"RFC 9440, with a parameter":      {RFC9440, 0, der + ";a=1", errColons},
		"RFC 9440, without colons":        {RFC9440, 0, b64, errColons},
		"RFC 9440, one colon":             {RFC9440, 0, ":", errColons},
		"RFC 9440, not ended":             {RFC9440, 0, ":" + b64, errColons},
		"RFC 9440, empty":                 {RFC9440, 0, "::", errBase64},
		"RFC 9440, base64url":             {RFC9440, 0, ":-_-_:", errBase64},
		"RFC 9440, no padding":            {RFC9440, 0, ":QQ:", errBase64},
		"RFC 9440, not canonical":         {RFC9440, 0, ":QR==:", errBase64},
		"RFC 9440, a line break":          {RFC9440, 0, ":" + b64[:8] + "\n" + b64[8:] + ":", errBase64},
		"base64":                          {Base64DER, 0, b64, nil},
		"base64, a line break":            {Base64DER, 0, b64[:8] + "\r\n" + b64[8:], errBase64},
		"base64, with colons":             {Base64DER, 0, der, errBase64},
		"base64, a space":                 {Base64DER, 0, b64 + " ", errBase64},
		"PEM":                             {EscapedPEM, 0, escaped, nil},
		"PEM, every byte that may be":     {EscapedPEM, 0, strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D", "-", "%2D").Replace(escaped), nil},
		"PEM, of AWS":                     {EscapedPEM, 0, strings.NewReplacer("%2F", "/", "%3D", "=", "%2B", "+").Replace(escaped), nil},
		"PEM, CRLF":                       {EscapedPEM, 0, crlf, nil},
		"PEM, two":                        {EscapedPEM, 0, escaped + otherEscaped, errPEM},
		"PEM, one cut and another":        {EscapedPEM, 0, "-----BEGIN%20CERTIFICATE-----%0AMIIB%0A" + otherEscaped, errPEM},
		"PEM, one broken and a key":       {EscapedPEM, 0, "-----BEGIN%20CERTIFICATE-----%0A!%0A-----END%20CERTIFICATE-----%0A" + strings.ReplaceAll(escaped, "CERTIFICATE", "PRIVATE%20KEY"), errPEM},
		"PEM, something before":           {EscapedPEM, 0, "x%0A" + escaped, errPEM},
		"PEM, something behind":           {EscapedPEM, 0, escaped + "x", errPEM},
		"PEM, a key":                      {EscapedPEM, 0, strings.ReplaceAll(escaped, "CERTIFICATE", "PRIVATE%20KEY"), errPEM},
		"PEM, headers":                    {EscapedPEM, 0, strings.Replace(escaped, "-----%0A", "-----%0Aa:%20b%0A%0A", 1), errPEM},
		"PEM, not escaped":                {EscapedPEM, 0, "-----BEGIN CERTIFICATE----- %zz", errEscape},
		"PEM, cut":                        {EscapedPEM, 0, strings.TrimRight(escaped[:len(escaped)/2], "%0123456789ABCDEF"), errPEM},
		"XFCC":                            {XFCC, 0, forms[XFCC], nil},
		"XFCC, Envoy's":                   {XFCC, 0, `By=spiffe://a/b;Hash=` + hash + `;Subject="CN=a,O=\"b;c\"";URI=spiffe://c;DNS=a.example`, nil},
		"XFCC, in capitals":               {XFCC, 0, "HASH=" + strings.ToUpper(hash), nil},
		"XFCC, quoted":                    {XFCC, 0, `Hash="` + hash + `"`, nil},
		"XFCC, its Cert":                  {XFCC, 0, `By=a;Cert="` + escaped + `"`, nil},
		"XFCC, its Hash before its Cert":  {XFCC, 0, `Cert="` + otherEscaped + `";Hash=` + hash, nil},
		"XFCC, spaces":                    {XFCC, 0, "By=a; Hash=" + hash + " , By=b ; Hash=" + hash, nil},
		"XFCC, the last of two":           {XFCC, 0, "Hash=" + otherHash + ",Hash=" + hash, nil},
		"XFCC, the first of two":          {XFCC, 1, "Hash=" + hash + ",Hash=" + otherHash, nil},
		"XFCC, the last of three":         {XFCC, 0, "Hash=" + otherHash + ",By=x,Hash=" + hash, nil},
		"XFCC, the middle one of three":   {XFCC, 1, "By=x,Hash=" + hash + ",Hash=" + otherHash, nil},
		"XFCC, the first of three":        {XFCC, 2, "Hash=" + hash + ",By=x,Hash=" + otherHash, nil},
		"XFCC, one too few":               {XFCC, 1, "Hash=" + hash, errHops},
		"XFCC, Hash twice":                {XFCC, 0, "Hash=" + otherHash + ";hash=" + hash, errTwice},
		"XFCC, Cert twice":                {XFCC, 0, "Hash=" + hash + ";Cert=" + escaped + ";Cert=" + escaped, errTwice},
		"XFCC, neither":                   {XFCC, 0, `By=a;Subject="CN=b"`, errNeither},
		"XFCC, neither, behind a good":    {XFCC, 0, "Hash=" + hash + `,By=a`, errNeither},
		"XFCC, a longer Hash":             {XFCC, 0, "Hash=" + hash + "00", errHash},
		"XFCC, a shorter Hash":            {XFCC, 0, "Hash=" + hash[2:], errHash},
		"XFCC, an empty Hash":             {XFCC, 0, "Hash=", errHash},
		"XFCC, a Hash that is not hex":    {XFCC, 0, "Hash=" + strings.Repeat("g", 64), errHash},
		"XFCC, a quote that swallows":     {XFCC, 0, "Hash=" + otherHash + `;Subject=",By=a;Hash=` + hash, errElements},
		"XFCC, a quote ended by another":  {XFCC, 0, "Hash=" + hash + `;Subject=",Hash=` + otherHash + `;Subject="CN=a"`, errElements},
		"XFCC, a quote ended by an empty": {XFCC, 0, "Hash=" + hash + `;Subject=",Hash=` + otherHash + `;Subject=""`, errElements},
		"XFCC, text behind a quote":       {XFCC, 0, `By="a"xy=b;Hash=` + hash, errElements},
		"XFCC, a quote within":            {XFCC, 0, `By=a"b;Hash=` + hash, errElements},
		"XFCC, a comma escaped":           {XFCC, 0, "Hash=" + otherHash + `;Subject=CN=a\,Hash=` + hash, errElements},
		"XFCC, a semicolon escaped":       {XFCC, 0, `Subject=CN=a\;Hash=` + hash, errElements},
		"XFCC, an escape at the end":      {XFCC, 0, `Hash=` + hash + `;By="a\`, errElements},
		"XFCC, no name":                   {XFCC, 0, "=a;Hash=" + hash, errElements},
		"XFCC, no pair":                   {XFCC, 0, hash, errElements},
		"XFCC, a comma in the name":       {XFCC, 0, "x,Hash=" + hash, errElements},
		"XFCC, a comma at the end":        {XFCC, 0, "Hash=" + hash + ",", errElements},
		"XFCC, a semicolon at the end":    {XFCC, 0, "Hash=" + hash + ";", errElements},
		"too long":                        {XFCC, 0, "Hash=" + hash + ";By=" + strings.Repeat("a", maxFieldBytes), errLong},
	} {
		t.Run(name, func(t *testing.T) {
			var got [sha256.Size]byte
			err := readField(tt.value, tt.form, tt.hop, &got)
			if err != tt.err || err == nil && got != want { //nolint:errorlint // these are constants
				t.Errorf("%v, the same certificate: %v; want %v", err, got == want, tt.err)
			}
		})
	}
}

// Whatever is read is the hash of a certificate that stands in the field, or the Hash that does.
func FuzzField(f *testing.F) {
	forms, hash, _ := written(authtest.NewCertificate(f))
	for form, value := range forms {
		f.Add(value, byte(form), byte(0))
	}
	f.Add(`By=a;Hash=`+hash+`;Subject="CN=\"a\"",Hash=`+hash, byte(XFCC), byte(1))
	f.Fuzz(func(t *testing.T, value string, form, hop byte) {
		var got [sha256.Size]byte
		how := Form(int(form) % len(formNames))
		fuzztest.Bounded(t, value, func() { _ = readField(value, how, int(hop%4), &got) })
		if readField(value, how, int(hop%4), &got) != nil {
			return
		}
		switch how {
		case RFC9440, Base64DER:
			der, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
			if sum := sha256.Sum256(der); err != nil || sum != got {
				t.Errorf("%q: not its hash (%v)", value, err)
			}
		case EscapedPEM:
			doc, err := url.PathUnescape(value)
			block, _ := pem.Decode([]byte(doc))
			if err != nil || block == nil || !bytes.Equal(hashOf(block.Bytes), got[:]) {
				t.Errorf("%q: not its hash (%v)", value, err)
			}
		case XFCC:
			if !strings.Contains(strings.ToLower(value), hex.EncodeToString(got[:])) && !strings.Contains(strings.ToLower(value), "cert") {
				t.Errorf("%q: neither its Hash nor its Cert", value)
			}
		}
	})
}

func hashOf(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }
