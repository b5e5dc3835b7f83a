// fetch with a client certificate, as the settings of the test name it: files in PEM.
import { readFileSync } from 'node:fs';
import { Agent, fetch } from 'undici';

export function fetchWith({ ca, certificate, key }) {
  if (!ca) return globalThis.fetch;
  const read = (file) => file && readFileSync(file);
  const dispatcher = new Agent({ connect: { ca: read(ca), cert: read(certificate), key: read(key) } });
  return (url, init) => fetch(url, { ...init, dispatcher });
}
