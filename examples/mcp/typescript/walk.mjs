// The client of the TypeScript SDK. It connects to the server that its first argument names, and then
// calls the tools that its standard input names, a line each. It writes a JSON object a line: {"text"}
// when it has connected and for each call, {"url"} where the person must log in, and {"error"} when it
// gives up. After {"url"} the next line of its input is the code.
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [server, callback] = process.argv.slice(2);
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (what) => console.log(JSON.stringify(what));
const line = async () => (await input.next()).value;

const kept = {};
const authProvider = {
  redirectUrl: callback,
  clientMetadata: {
    client_name: 'the TypeScript SDK', redirect_uris: [callback], token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'], response_types: ['code'],
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => tell({ url: String(url) }),
};

let transport, client;
const connect = async () => {
  transport = new StreamableHTTPClientTransport(new URL(server), { authProvider });
  client = new Client({ name: 'walk', version: '1' });
  await client.connect(transport);
};

// loggedIn does something, and again after each log-in that it asks for.
const loggedIn = async (what) => {
  for (let tries = 0; ; tries++) {
    try {
      return await what();
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || tries === 3) throw error;
      await transport.finishAuth(await line());
    }
  }
};

try {
  await loggedIn(connect);
  tell({ text: 'connected' });
  for (let tool = await line(); tool; tool = await line()) {
    const result = await loggedIn(() => client.callTool({ name: tool, arguments: {} }));
    tell({ text: result.content[0].text });
  }
} catch (error) {
  tell({ error: String(error) });
}
process.exit(0);
