// The AT Protocol's OAuth client for Node.js, whole: it resolves did:web identities on loopback, pushes its authorization requests, and
// calls the person's own server, which is the API of the test.
import { NodeOAuthClient, buildAtprotoLoopbackClientMetadata } from '@atproto/oauth-client-node';
import { answerOf, recorded, serve } from './driver.mjs';

// A Map in the shape that the client wants of its stores.
const store = () => {
  const map = new Map();
  return { set: async (key, value) => { map.set(key, value); }, get: async (key) => map.get(key), del: async (key) => { map.delete(key); } };
};

let client, session, settings, token;

serve({
  async start(args) {
    settings = args;
    client = new NodeOAuthClient({
      clientMetadata: buildAtprotoLoopbackClientMetadata({ redirect_uris: [settings.redirect], scope: settings.scope }),
      allowHttp: true,
      stateStore: store(),
      sessionStore: store(),
      requestLock: (_name, run) => run(),
      handleResolver: { resolve: async () => null }, // names of persons would need the DNS
      fetch: recorded(),
    });
    return { client: client.clientMetadata.client_id };
  },
  // authorize returns where the person's browser is to go.
  async authorize() {
    return { url: (await client.authorize(settings.person)).href };
  },
  async exchange({ url }) {
    ({ session } = await client.callback(new URL(url).searchParams));
    token = (await session.getTokenSet(false)).access_token;
  },
  async refresh() {
    token = (await session.getTokenSet(true)).access_token;
  },
  async call({ method, url, body }) {
    return answerOf(await session.fetchHandler(url, { method, body, headers: { 'content-type': 'application/json' } }));
  },
}, () => token);
