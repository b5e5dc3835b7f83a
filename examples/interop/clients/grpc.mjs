// A gRPC call in the shape of fetch, so that a client that knows HTTP alone proves its key to a gRPC server, too. The request is an
// empty message. The status of the response is HTTP's for the status of the call, and the trailer is in its headers.
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';

const statusOf = { 0: 200, 3: 400, 7: 403, 14: 503, 16: 401 };

export function overGRPC({ ca, certificate, key }) {
  const read = (file) => file && readFileSync(file);
  return (url, { headers }) => new Promise((resolve, reject) => {
    const { origin, pathname } = new URL(url);
    const session = connect(origin, { ca: read(ca), cert: read(certificate), key: read(key) }).on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': pathname,
      ...headers,
      'content-type': 'application/grpc',
      te: 'trailers',
    }).on('error', reject);
    const fields = new Headers();
    let body = '';
    const take = (from) => {
      for (const [name, value] of Object.entries(from)) {
        if (!name.startsWith(':')) [value].flat().forEach((v) => fields.append(name, v));
      }
    };
    stream.on('response', take).on('trailers', take).setEncoding('latin1').on('data', (chunk) => { body += chunk; }).on('end', () => {
      session.close();
      resolve(new Response(body.slice(5), { status: statusOf[fields.get('grpc-status')] ?? 500, headers: fields }));
    });
    stream.end(Buffer.alloc(5)); // not compressed, of length 0
  });
}
