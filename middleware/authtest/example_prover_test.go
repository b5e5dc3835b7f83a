package authtest_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// What is wrong with a proof, and why it is refused.
func ExampleProofDefects() {
	for _, d := range authtest.ProofDefects()[:2] {
		fmt.Println(d, d.Reason())
	}
	// Output:
	// ProofTooLong PROOF_INVALID
	// ProofRandomText PROOF_INVALID
}

// A client that proves possession of its key, well and badly.
func ExampleProver() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	issuer, client := authtest.NewIssuer(t, nil), authtest.NewProver(t, auth.ES256)
	token := issuer.Token("read:orders", client.Confirmation())
	client.SetNonce("the nonce that the API gave")

	r := httptest.NewRequest("GET", "/orders", nil)
	client.Prove(r, "https://api.example", token)
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	fmt.Println(scheme, strings.Count(r.Header.Get("DPoP"), "."), len(client.Thumbprint()))

	bad := client.Proof("GET", "https://api.example/orders", token, authtest.ProofBadSignature)
	fmt.Println(bad != r.Header.Get("DPoP"), authtest.ProofBadSignature.Reason())
	// Output:
	// DPoP 2 43
	// true PROOF_INVALID
}
