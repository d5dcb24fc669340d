"""A small provider of OpenID Connect over HTTP: it signs with keys of its own, and can be told to do wrong."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "tailrace", "canary-of-the-client: 8570?"
PATH = "/realms/data"


FORGED = {
    "none": lambda _key, _text: b"",
    "HS256": lambda key, text: hmac.digest(key.as_pem(private=False), text, "sha256"),
}
"""Signatures that anybody can make, with what is public alone."""


class Provider(ThreadingHTTPServer):
    """Serves until it is closed. `claims` go over those it would sign; None leaves one out."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}{PATH}"
        self.callback = None
        self.codes = {}
        self.asked = []
        """Paths that were asked for."""
        self.claims = {"email": "ann@x.io", "groups": ["data"]}
        self.document = {}
        """What goes over the discovery document."""
        self.tokens = {}
        """What goes over the answer of the token endpoint."""
        self.status = 200
        """Of the discovery document, the keys and tokens."""
        self.algorithm = "RS256"
        self.rotate()
        self.serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.serving.start()

    def rotate(self):
        """Sign with a new key; only that is published from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        self.signing = self.key

    def sign(self, nonce):
        """An ID token."""
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "u-17", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.signing.kid}
        if self.algorithm in FORGED:
            text = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
            return b".".join((text, _encoded(FORGED[self.algorithm](self.key, text)))).decode()
        return jwt.encode(header, claims, self.signing, algorithms=[self.algorithm])

    def close(self):
        self.shutdown()
        self.serving.join()
        self.server_close()


def _encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        self.server.asked.append(parts.path.removeprefix(PATH))
        match parts.path.removeprefix(PATH):
            case "/.well-known/openid-configuration":
                self.tell(self.server.status, self.document())
            case "/keys":
                self.tell(self.server.status, {"keys": [self.server.key.as_dict(private=False)]})
            case "/authorize":
                self.authorize(dict(parse_qsl(parts.query)))
            case _:
                self.tell(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.asked.append("/token")
        self.tell(*self.token({name: values[0] for name, values in parse_qs(body).items()}))

    def document(self):
        issuer = self.server.issuer
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": issuer, **{key: f"{issuer}/{end}" for key, end in ends.items()}, **self.server.document}

    def authorize(self, query):
        """Whoever comes is signed in already."""
        wanted = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
        wanted["redirect_uri"] = self.server.callback
        if any(query.get(name) != value for name, value in wanted.items()) or "openid" not in query["scope"].split():
            self.tell(400, {"error": "invalid_request"})
            return
        code = secrets.token_hex(8)
        self.server.codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.server.issuer})
        self.send_response(302)
        self.send_header("location", f"{query['redirect_uri']}?{back}")
        self.send_header("content-length", "0")
        self.end_headers()

    def token(self, form):
        login = base64.b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if [unquote(part) for part in login.split(":", 1)] != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client"}
        query = self.server.codes.pop(form["code"], None)  # good once
        digest = _encoded(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if query is None or digest != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        token = {"access_token": "canary-of-access", "token_type": "Bearer", "expires_in": 300}
        return self.server.status, {**token, "id_token": self.server.sign(query["nonce"]), **self.server.tokens}

    def tell(self, status, form):
        body = json.dumps(form).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def settings(provider, url, roles="{viewer: [all], operator: [data], admin: [ops]}", more=""):
    """What goes into tailrace.yml for that provider."""
    provider.callback = f"{url}/login/callback"
    return (
        f"oidc:\n  issuer: {provider.issuer}\n  client_id: {CLIENT}\n  client_secret: '${{env:OIDC_SECRET}}'\n"
        f"  url: {url}\n  roles: {roles}\n{more}"
    )
