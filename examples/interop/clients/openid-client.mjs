// openid-client, which retries with a nonce by itself.
import * as oidc from 'openid-client';
import { fetchWith } from './certificate.mjs';
import { answerOf, recorded, serve } from './driver.mjs';
import { overGRPC } from './grpc.mjs';

let config, settings, verifier, state, tokens, options;

const authentications = {
  none: () => oidc.None(),
  client_secret_basic: () => oidc.ClientSecretBasic(settings.secret),
  tls_client_auth: () => oidc.TlsClientAuth(),
  self_signed_tls_client_auth: () => oidc.TlsClientAuth(),
};

serve({
  async start(args) {
    settings = args;
    const issuer = new URL(settings.issuer);
    const discovery = {
      [oidc.customFetch]: recorded(fetchWith(settings)),
      execute: issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [],
    };
    const authentication = authentications[settings.authentication]();
    config = settings.register
      ? await oidc.dynamicClientRegistration(issuer, settings.register, authentication, discovery)
      : await oidc.discovery(issuer, settings.client, { [oidc.clockSkew]: settings.skew ?? 0 }, authentication, discovery);
    options = settings.dpop ? { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(settings.dpop)) } : {};
  },
  // authorize returns where the person's browser is to go.
  async authorize() {
    verifier = oidc.randomPKCECodeVerifier();
    state = oidc.randomState();
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: settings.redirect,
      scope: settings.scope,
      resource: settings.resource,
      prompt: 'consent',
      state,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href };
  },
  async exchange({ url }) {
    const checks = { pkceCodeVerifier: verifier, expectedState: state };
    tokens = await oidc.authorizationCodeGrant(config, new URL(url), checks, { resource: settings.resource }, options);
  },
  // grant gets a token for the client itself.
  async grant() {
    tokens = await oidc.clientCredentialsGrant(config, { scope: settings.scope, resource: settings.resource }, options);
  },
  async refresh() {
    tokens = await oidc.refreshTokenGrant(config, tokens.refresh_token, { resource: settings.resource }, options);
  },
  async call({ method, url, body, grpc }) {
    const before = config[oidc.customFetch];
    if (grpc) config[oidc.customFetch] = recorded(overGRPC(settings));
    try {
      const headers = new Headers({ 'content-type': 'application/json' });
      return await answerOf(await oidc.fetchProtectedResource(config, tokens.access_token, new URL(url), method, body, headers, options));
    } catch (err) {
      if (err instanceof oidc.WWWAuthenticateChallengeError) return answerOf(err.response);
      throw err;
    } finally {
      config[oidc.customFetch] = before;
    }
  },
}, () => tokens?.access_token);
