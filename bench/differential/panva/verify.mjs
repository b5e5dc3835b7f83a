// Verifies tokens with panva/jose, set up as strictly as its documentation tells for RFC 9068. Standard input is a JSON object
// with the issuer, the audience, and one key and its tokens for each algorithm; standard output an array of verdicts for each.
import { createLocalJWKSet, jwtVerify } from 'jose'

let text = ''
for await (const chunk of process.stdin) text += chunk
const { issuer, audience, sets } = JSON.parse(text)

const all = []
for (const { alg, key, tokens } of sets) {
  const keys = createLocalJWKSet({ keys: [key] })
  const verdicts = []
  for (const token of tokens) {
    try {
      await jwtVerify(token, keys, {
        issuer, audience, algorithms: [alg, ...(alg === 'EdDSA' ? ['Ed25519'] : [])], typ: 'at+jwt', clockTolerance: 30,
        requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      })
      verdicts.push(true)
    } catch {
      verdicts.push(false)
    }
  }
  all.push(verdicts)
}
process.stdout.write(JSON.stringify(all))
