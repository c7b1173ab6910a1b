"""A small OpenID provider on loopback: the published protocol, and ways to get it wrong.

Discovery, JWKS, and the code flow with PKCE and nonce (OpenID Connect Core and Discovery 1.0, RFC
7636). It stands for a party that cannot be reached from a test. What it signs it signs by itself,
not with the library that checks it.
"""

import base64
import hashlib
import html
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, SECRET = "breakwater", "a shared secret"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(claims: dict[str, Any], *, key: Any = KEY, **header: Any) -> str:
    """A JSON Web Signature, RS256."""
    head = {"alg": "RS256", "kid": "one", "typ": "JWT"} | header
    body = ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))
    signature = key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{body}.{encoded(signature)}"


class Provider:
    """The provider's state, and its moods: set them before signing in."""

    def __init__(self) -> None:
        self.issuer = ""
        self.subject = "subject-of-rhea"
        self.claims: dict[str, Any] = {}  # over those of a good ID token; None leaves one out
        self.configuration: dict[str, Any] = {}  # over what it says of itself
        self.make_token: Callable[[dict[str, Any]], str] = signed
        self.token_answer: tuple[int, str, bytes] | None = None  # status, type, body
        self.asks = False  # shows a page with a button, as to a person
        self.silent: set[str] = set()  # paths that get no answer
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
        } | self.configuration

    def keys(self) -> dict[str, Any]:
        numbers = KEY.public_key().public_numbers()
        public = {"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256"}
        return {"keys": [public | {"n": number(numbers.n), "e": number(numbers.e)}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """The address that the person is led back to, with a code."""
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["nonce"]) >= 16
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str]) -> str | None:
        """The ID token for a code, once, to the client that asked and can prove it."""
        asked = self._codes.pop(form.get("code", ""), None)
        proof = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET)
            or form.get("redirect_uri") != asked["redirect_uri"]
            or proof != asked["code_challenge"]
        ):
            return None
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "iat": now,
            "exp": now + 300,
            "auth_time": now - 5,
            "nonce": asked["nonce"],
        } | self.claims
        return self.make_token({name: v for name, v in claims.items() if v is not None})


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that answers on loopback until the block ends."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._take(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._take(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        def _take(self, said: str) -> None:
            path = urlsplit(self.path).path
            asked = {name: values[0] for name, values in parse_qs(said).items()}
            provider.asked.append((path, asked))
            if path in provider.silent:
                time.sleep(1.5)  # longer than whoever asks waits in a test
                self.close_connection = True
                return
            if path == "/.well-known/openid-configuration":
                self._json(200, provider.about())
            elif path == "/keys":
                self._json(200, provider.keys())
            elif path == "/authorize" and provider.asks and "yes" not in asked:
                fields = "".join(
                    f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
                    for name, value in (asked | {"yes": "yes"}).items()
                )
                page = f'<html lang="en"><form>{fields}<button>Sign in</button></form>'
                self._send(200, "text/html", page.encode())
            elif path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path == "/token" and provider.token_answer:
                self._send(*provider.token_answer)
            elif path == "/token":
                token = provider.token(asked)
                if token is None:
                    self._json(400, {"error": "invalid_grant"})
                else:
                    answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": token}
                    self._json(200, answer)
            elif path == "/favicon.ico":  # which a browser asks for
                self._send(200, "image/x-icon", b"")
            else:
                self._send(404, "text/plain", b"")

        def _json(self, status: int, said: dict[str, Any]) -> None:
            self._send(status, "application/json", json.dumps(said).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def use(provider: Provider, settings: Any, **more: Any) -> None:
    """Write the provider into the settings, as the environment would."""
    from config import identity

    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
    settings.OIDC_NAME = "Quay House"
    settings.OIDC_SECONDS = 1.0
    for name, value in more.items():
        setattr(settings, name, value)
    settings.SOCIALACCOUNT_PROVIDERS = identity.provider(
        provider.issuer, CLIENT, SECRET, name="Quay House"
    )
