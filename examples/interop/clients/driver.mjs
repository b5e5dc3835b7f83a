// Runs a client in a process of the test. Each line of standard input is a JSON object that names what to do, and each gets a line of
// JSON back: what came of it, the access token that the client has, and the requests that it sent meanwhile.
import { createInterface } from 'node:readline';

let trail = [];

// recorded is fetch, and keeps what was sent and what came back.
export function recorded(fetch = globalThis.fetch) {
  return async (input, init) => {
    const asked = input instanceof Request ? input : { url: String(input), method: 'GET', headers: {}, ...init };
    const entry = {
      method: asked.method,
      url: asked.url,
      headers: Object.fromEntries(new Headers(asked.headers)),
    };
    const response = await fetch(input, init);
    entry.status = response.status;
    trail.push(entry);
    return response;
  };
}

// answerOf is what the test learns of a response.
export async function answerOf(response) {
  return { status: response.status, body: await response.text() };
}

// serve does what the lines say, by the functions of client. token tells which access token the client has.
export function serve(client, token) {
  const lines = createInterface({ input: process.stdin });
  let last = Promise.resolve();
  lines.on('line', (line) => {
    last = last.then(async () => {
      const { do: name, ...args } = JSON.parse(line);
      trail = [];
      let answer;
      try {
        answer = { ...(await client[name](args)) };
      } catch (err) {
        answer = { error: `${err} ${err.cause instanceof Error ? err.cause : JSON.stringify(err.cause)}` };
      }
      console.log(JSON.stringify({ ...answer, token: token(), trail }));
    });
  });
  lines.on('close', () => process.exit()); // ends with the test
}
