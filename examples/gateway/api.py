"""An API in Python. It reads no token: its gateway tells who calls.

What it may not do is answer a request that tells nobody. Such a one came past the gateway.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class API(BaseHTTPRequestHandler):
    def field(self, name):
        """The one value of an identity field, percent-decoded, or None."""
        values = self.headers.get_all(name, [])
        if len(values) != 1 or not values[0]:
            return None
        try:
            return unquote(values[0], errors="strict")
        except UnicodeDecodeError:
            return None

    def do_GET(self):
        subject, issuer = self.field("X-Auth-Subject"), self.field("X-Auth-Issuer")
        if subject is None or issuer is None:
            return self.answer(403, {"title": "no identity: come through the gateway"})
        self.answer(200, {
            "X-Auth-Subject": self.headers["X-Auth-Subject"],
            "subject": subject,
            "issuer": issuer,
            "scopes": (self.field("X-Auth-Scopes") or "").split(" "),
            "authorization": "Authorization" in self.headers,
        })

    def answer(self, status, body):
        text = json.dumps(body, ensure_ascii=False).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), API)
print("%s:%d" % server.server_address, flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
