// oauth4webapi, which leaves the order of the calls and the retry with a nonce to its user.
import * as oauth from 'oauth4webapi';
import { fetchWith } from './certificate.mjs';
import { answerOf, recorded, serve } from './driver.mjs';
import { overGRPC } from './grpc.mjs';

let as, client, authentication, options, settings, verifier, state, tokens;

// send sends a request, and once more when the first answer only tells a nonce.
async function send(request, process) {
  for (let again = false; ; again = true) {
    try {
      return await process(await request());
    } catch (err) {
      if (again || !oauth.isDPoPNonceError(err)) throw err;
    }
  }
}

const authentications = {
  none: () => oauth.None(),
  client_secret_basic: () => oauth.ClientSecretBasic(settings.secret),
  tls_client_auth: () => oauth.TlsClientAuth(),
  self_signed_tls_client_auth: () => oauth.TlsClientAuth(),
};

serve({
  async start(args) {
    settings = args;
    const issuer = new URL(settings.issuer);
    options = { [oauth.customFetch]: recorded(fetchWith(settings)), [oauth.allowInsecureRequests]: issuer.protocol === 'http:' };
    as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    client = settings.register
      ? await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, settings.register, options))
      : { client_id: settings.client };
    client[oauth.clockSkew] = settings.skew ?? 0; // seconds that its clock is ahead
    authentication = authentications[settings.authentication]();
    if (settings.dpop) {
      options.DPoP = oauth.DPoP(client, await oauth.generateKeyPair(settings.dpop));
    }
  },
  // authorize returns where the person's browser is to go.
  async authorize() {
    verifier = oauth.generateRandomCodeVerifier();
    state = oauth.generateRandomState();
    const url = new URL(as.authorization_endpoint);
    for (const [name, value] of Object.entries({
      client_id: client.client_id,
      redirect_uri: settings.redirect,
      response_type: 'code',
      scope: settings.scope,
      resource: settings.resource,
      prompt: 'consent',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })) url.searchParams.set(name, value);
    return { url: url.href };
  },
  async exchange({ url }) {
    const params = oauth.validateAuthResponse(as, client, new URL(url), state);
    tokens = await send(
      () => oauth.authorizationCodeGrantRequest(as, client, authentication, params, settings.redirect, verifier, {
        ...options,
        additionalParameters: { resource: settings.resource },
      }),
      (response) => oauth.processAuthorizationCodeResponse(as, client, response),
    );
  },
  // grant gets a token for the client itself.
  async grant() {
    tokens = await send(
      () => oauth.clientCredentialsGrantRequest(as, client, authentication, { scope: settings.scope, resource: settings.resource }, options),
      (response) => oauth.processClientCredentialsResponse(as, client, response),
    );
  },
  async refresh() {
    tokens = await send(
      () => oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, {
        ...options,
        additionalParameters: { resource: settings.resource },
      }),
      (response) => oauth.processRefreshTokenResponse(as, client, response),
    );
  },
  async call({ method, url, body, grpc }) {
    const call = grpc ? { ...options, [oauth.customFetch]: recorded(overGRPC(settings)) } : options;
    try {
      return await send(
        () => oauth.protectedResourceRequest(tokens.access_token, method, new URL(url), new Headers({ 'content-type': 'application/json' }), body, call),
        answerOf,
      );
    } catch (err) {
      if (err instanceof oauth.WWWAuthenticateChallengeError) return answerOf(err.response);
      throw err;
    }
  },
}, () => tokens?.access_token);
