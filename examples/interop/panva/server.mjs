// A certified OpenID Provider (panva's oidc-provider) on loopback, whose keys can be rotated over /control. It prints its issuer.
// Its argument is a JSON object. With the files "key", "certificate" and "authority" (PEM) it serves TLS, and binds tokens to the
// certificates of clients: that of "selfSigned" is registered, the others are signed by the authority.
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';
import { exportJWK, generateKeyPair } from 'jose';

const algorithms = ['RS256', 'ES256', 'PS256', 'EdDSA'];
const redirectURI = 'http://127.0.0.1:9/callback'; // never opened: the test reads the code from the redirect
const scopes = 'read:orders write:orders';
// The AT Protocol's client names no resource, and gets tokens for this one.
const atprotoResource = 'https://orders.example/atproto/ES256';
const atprotoClient = `http://localhost?${new URLSearchParams({ scope: 'atproto read:orders', redirect_uri: redirectURI })}`;
const nonceSecret = randomBytes(32);
const files = Object.fromEntries(Object.entries(JSON.parse(process.argv[2] ?? '{}')).map(([name, file]) => [name, readFileSync(file)]));
URL.parse ??= (text) => (URL.canParse(text) ? new URL(text) : null); // the provider uses it; Node.js 20 may lack it

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

const certificateOf = (ctx) => ctx.socket.getPeerX509Certificate();

// What clients registered, beside their secrets.
const atLoopback = { redirect_uris: [redirectURI], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
const forItself = { redirect_uris: [], grant_types: ['client_credentials'], response_types: [] };

// clientsWithKeys are those whose tokens are bound to a key or a certificate of theirs.
function clientsWithKeys() {
  const clients = [
    { client_id: 'phone', ...atLoopback, token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true },
    { client_id: 'service', ...forItself, client_secret: 'a secret of the test', dpop_bound_access_tokens: true },
    {
      client_id: atprotoClient, // its metadata are in its name; real servers of the AT Protocol read them there
      ...atLoopback,
      token_endpoint_auth_method: 'none',
      dpop_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
    },
  ];
  if (files.selfSigned) {
    const certificate = new X509Certificate(files.selfSigned);
    const jwks = { keys: [{ ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] }] };
    for (const [client_id, rest] of Object.entries({
      partner: { ...atLoopback, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'partner.example' },
      'partner-self-signed': { ...forItself, token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks },
    })) clients.push({ client_id, ...rest, tls_client_certificate_bound_access_tokens: true });
  }
  return clients;
}

const mTLS = {
  enabled: true,
  certificateBoundAccessTokens: true,
  tlsClientAuth: true,
  selfSignedTlsClientAuth: true,
  getCertificate: certificateOf,
  certificateAuthorized: (ctx) => ctx.socket.authorized,
  certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_dns'
    && certificateOf(ctx).subjectAltName === `DNS:${expected}`,
};

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
    })), ...clientsWithKeys()],
    scopes: ['openid', 'offline_access'],
    discovery: { client_id_metadata_document_supported: true }, // the AT Protocol's client wants it
    clientAuthMethods: [
      'client_secret_basic', 'none', ...(files.selfSigned ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
    ],
    issueRefreshToken: (_ctx, client, code) => client.grantTypeAllowed('refresh_token')
      && (code.scopes.has('offline_access') || client.clientId === atprotoClient), // which asks for no such scope
    pkce: { required: () => true },
    cookies: { keys: ['a cookie key of the test'] },
    ttl: { AccessToken: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true, nonceSecret, requireNonce: () => true },
      ...(files.selfSigned && { mTLS }),
      introspection: { enabled: true, allowedPolicy: async () => true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        defaultResource: (ctx) => (ctx.oidc.client?.clientId === atprotoClient ? atprotoResource : undefined),
        // The resource's last segment names the algorithm of its tokens.
        getResourceServerInfo: (_ctx, resource) => ({
          scope: resource === atprotoResource ? `atproto ${scopes}` : scopes,
          audience: resource,
          accessTokenTTL: 600,
          ...(resource.endsWith('/opaque')
            ? { accessTokenFormat: 'opaque' }
            : { accessTokenFormat: 'jwt', jwt: { sign: { alg: resource.split('/').at(-1) } } }),
        }),
      },
    },
  });
  // The AT Protocol has the token endpoint name the person.
  provider.use(async (ctx, next) => {
    await next();
    const token = ctx.oidc?.entities.AccessToken;
    if (ctx.oidc?.route === 'token' && token?.clientId === atprotoClient) ctx.body.sub = token.accountId;
  });
}

const steps = {
  async publish() { keys = [...keys, ...await Promise.all(algorithms.map(newKey))]; },
  async promote() { keys = keys.toReversed(); },
  async retire() { keys = algorithms.map((alg) => keys.find((key) => key.alg === alg)); },
};

async function answer(req, res) {
  const step = steps[req.url.replace('/control/', '')];
  if (step) {
    await step();
    restart(provider.issuer);
    res.end(JSON.stringify(keys.map((key) => key.kid)));
    return;
  }
  provider.callback()(req, res);
}

const tls = files.key && {
  key: files.key, cert: files.certificate, ca: files.authority, requestCert: true, rejectUnauthorized: false,
};
const server = tls ? https.createServer(tls, answer) : http.createServer(answer);

await steps.publish();
server.listen(0, '127.0.0.1', () => {
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  restart(issuer);
  console.log(issuer);
});
process.stdin.on('end', () => process.exit()).resume(); // ends with the test
