// A certified OpenID Provider (panva's oidc-provider) on loopback, whose keys can be rotated over /control. It prints its issuer.
import http from 'node:http';
import Provider from 'oidc-provider';
import { exportJWK, generateKeyPair } from 'jose';

const algorithms = ['RS256', 'ES256', 'PS256', 'EdDSA'];
const redirectURI = 'http://127.0.0.1:9/callback'; // never opened: the test reads the code from the redirect
const scopes = 'read:orders write:orders';

// The first key of an algorithm signs.
let keys = [];
let serial = 0;

async function newKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg}-${++serial}` };
}

// What was issued outlives a change of keys, which needs a new Provider.
const store = new Map();
class Store {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) { store.set(this.key(id), payload); }
  async find(id) { return store.get(this.key(id)); }
  async findByUid(uid) { return [...store].find(([key, value]) => key.startsWith(this.key('')) && value.uid === uid)?.[1]; }
  async consume(id) { store.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { store.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, value] of store) if (value.grantId === grantId) store.delete(key);
  }
}

let provider;
function restart(issuer) {
  provider = new Provider(issuer, {
    adapter: Store,
    jwks: { keys },
    clients: [{
      client_id: 'web-app',
      client_secret: 'a secret of the test',
      redirect_uris: [redirectURI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }, ...['orders-api', 'orders-api-signed'].map((client_id) => ({ // they ask about tokens
      client_id,
      client_secret: 'a secret of the test: 100%',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      ...(client_id.endsWith('-signed') && { introspection_signed_response_alg: 'RS256' }),
    }))],
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => true },
    cookies: { keys: ['a cookie key of the test'] },
    ttl: { AccessToken: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        // The resource's last segment names the algorithm of its tokens.
        getResourceServerInfo: (_ctx, resource) => ({
          scope: scopes,
          audience: resource,
          accessTokenTTL: 600,
          ...(resource.endsWith('/opaque')
            ? { accessTokenFormat: 'opaque' }
            : { accessTokenFormat: 'jwt', jwt: { sign: { alg: resource.split('/').at(-1) } } }),
        }),
      },
    },
  });
}

const steps = {
  async publish() { keys = [...keys, ...await Promise.all(algorithms.map(newKey))]; },
  async promote() { keys = keys.toReversed(); },
  async retire() { keys = algorithms.map((alg) => keys.find((key) => key.alg === alg)); },
};

const server = http.createServer(async (req, res) => {
  const step = steps[req.url.replace('/control/', '')];
  if (step) {
    await step();
    restart(provider.issuer);
    res.end(JSON.stringify(keys.map((key) => key.kid)));
    return;
  }
  provider.callback()(req, res);
});

await steps.publish();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  restart(issuer);
  console.log(issuer);
});
process.stdin.on('end', () => process.exit()).resume(); // ends with the test
