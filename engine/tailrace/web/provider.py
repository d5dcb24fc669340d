"""A provider of OpenID Connect, as the console asks it: where to send people, and who they are that come back.

Authorization code with PKCE, state and nonce, by Authlib; the ID token's signature by the provider's own keys.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tailrace.errors import SignInError
from tailrace.extras import need
from tailrace.web.guard import is_loopback
from tailrace.web.person import Attempt, Person, Unproven, person_of

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session
    from requests import Response

    from tailrace.project.oidc import Oidc, Role
    from tailrace.web.desk import Desk

DISCOVERY: Final = "/.well-known/openid-configuration"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures that are believed: made with a key that the provider alone has. So neither `none` nor HS256."""
TIMEOUT_S: Final = 10.0
FRESH_S: Final = 3_600.0
"""How long the discovery document and the keys are kept."""
PATIENCE_S: Final = 5.0
"""How long a provider that did not answer is left alone: whoever reaches the console can have it asked."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider said of itself."""

    document: Mapping[str, Any]
    keys: Mapping[str, Any]
    until: float


class Provider:
    """One provider, by its configuration. May be used from several threads.

    SignInError where it cannot be reached or answers what it should not; Unproven where a sign-in does not hold.
    """

    def __init__(self, config: Oidc) -> None:
        self.config = config
        self._known: _Known | None = None
        self._failed: tuple[float, str] | None = None
        self._asking = threading.Lock()

    def ready(self) -> None:
        """UsageError where the extra is missing, SecretError where the client's secret cannot be read."""
        need("authlib", "requests", extra="oidc", what="signing in by oidc")
        self._secret()

    def look(self) -> str:
        """Ask the provider for all that is needed of it, for `tailrace check`; gives what to tell."""
        self.ready()
        count = len(self._learn().keys["keys"])
        keys = "1 key" if count == 1 else f"{count} keys"
        return f"{self.config.issuer} answers, {keys}; it must know {self.config.callback}"

    def begin(self) -> tuple[str, Attempt]:
        """Where to send a browser, and what it must bring back."""
        attempt = Attempt.new()
        known = self._learn()
        with self._client(known) as client:
            address, _ = client.create_authorization_url(
                _address(known.document, "authorization_endpoint"),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(address), attempt

    def finish(self, code: str, attempt: Attempt) -> Person:
        """Who it is that came back with that code."""
        known = self._learn()
        token = self._token(known, code, attempt)
        text = token.get("id_token")
        if not isinstance(text, str):
            raise SignInError(f"{self._name} gave no ID token", hint="the scope openid must be permitted to the client")
        return person_of(self.config, *self._believed(known, text), token, attempt)

    @property
    def _name(self) -> str:
        return f"the provider {self.config.issuer}"

    def _secret(self) -> str | None:
        return None if self.config.client_secret is None else self.config.client_secret.reveal()

    def _client(self, known: _Known) -> OAuth2Session:
        from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415 - an extra

        secret = self._secret()
        return OAuth2Session(
            client_id=self.config.client_id,
            client_secret=secret,
            token_endpoint_auth_method=_way(known.document, secret),
            scope=" ".join(dict.fromkeys(("openid", *self.config.scopes))),
            redirect_uri=self.config.callback,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )

    def _token(self, known: _Known, code: str, attempt: Attempt) -> Mapping[str, Any]:
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - an extra
        from requests import RequestException  # noqa: PLC0415 - an extra

        try:
            with self._client(known) as client:
                token: Mapping[str, Any] = client.fetch_token(
                    _address(known.document, "token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                    allow_redirects=False,
                )
        except AuthlibBaseError as error:
            if error.error == "invalid_grant":
                raise Unproven("the provider does not take this sign-in: it is too old, or was used before") from error
            reason = error.error if _is_word(error.error) else "for a reason that it did not tell"
            hint = (
                "see `client_id` and `client_secret` under `oidc` in tailrace.yml, and what the provider knows of them"
            )
            raise SignInError(f"{self._name} refuses this console: {reason}", hint=hint) from error
        except (RequestException, ValueError) as error:
            raise self._silent(error) from error
        return token

    def _believed(self, known: _Known, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Claims and header of a token that the provider signed. A key that is not known has its keys fetched anew."""
        from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415 - comes with authlib

        try:
            try:
                return _decoded(text, known.keys)
            except InvalidKeyIdError:
                return _decoded(text, self._learn(anew=known).keys)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unproven(f"the provider's answer does not hold: {_reason(error)}") from error

    def _learn(self, *, anew: _Known | None = None) -> _Known:
        """What the provider says of itself: asked for once an hour, or when it is no more than `anew` had."""
        with self._asking:
            known = self._known
            if known is not None and known is not anew and known.until > time.monotonic():
                return known
            if self._failed is not None and self._failed[0] > time.monotonic():
                raise SignInError(self._failed[1], hint=_REPORT)
            try:
                self._known = self._asked()
            except SignInError as error:
                self._failed = (time.monotonic() + PATIENCE_S, error.message)
                raise
            return self._known

    def _asked(self) -> _Known:
        document = self._fetched(self.config.issuer.rstrip("/") + DISCOVERY)
        issuer = document.get("issuer")
        if issuer != self.config.issuer:
            raise SignInError(
                f"{self._name} calls itself {str(issuer)[:200]!r}",
                hint="`oidc.issuer` in tailrace.yml must be the same to the letter",
            )
        keys = self._fetched(_address(document, "jwks_uri"))
        if not isinstance(keys.get("keys"), list) or not keys["keys"]:
            raise SignInError(f"{self._name} has no keys at its jwks_uri", hint=_REPORT)
        return _Known(document, keys, time.monotonic() + FRESH_S)

    def _fetched(self, address: str) -> Mapping[str, Any]:
        import requests  # noqa: PLC0415 - an extra

        try:
            with requests.get(
                address, timeout=TIMEOUT_S, allow_redirects=False, headers={"accept": "application/json"}
            ) as answer:
                return _object(answer)
        except (requests.RequestException, ValueError) as error:
            raise self._silent(error, address) from error

    def _silent(self, error: Exception, address: str | None = None) -> SignInError:
        """What to tell of a provider that does not answer, or not as it should."""
        where = self._name if address is None else f"{self._name} at {address}"
        words = str(error) if type(error) is ValueError else type(error).__name__
        return SignInError(f"{where} does not answer as it should: {words}", hint=_REPORT)


class Providers:
    """The provider that the project's files name now, if any: another one when they change."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._provider: Provider | None = None

    def now(self) -> Provider | None:
        """The one to sign in with; None where there is none."""
        with self._desk.using() as project:
            config = project.config.oidc
        found = self._provider
        if config is None or found is None or found.config != config:
            found = self._provider = None if config is None else Provider(config)
        return found

    def role(self, person: Person) -> Role | None:
        """What a person may do as the files are now; None where they do not let that provider's people in."""
        provider = self.now()
        known = provider is not None and provider.config.issuer == person.issuer
        return provider.config.role(person.values) if provider is not None and known else None


_REPORT = "see whether it is up and reachable from here; `tailrace check` tries it. Tokens sign in all the same"


def _object(answer: Response) -> Mapping[str, Any]:
    if answer.status_code != 200:  # noqa: PLR2004 - OK
        raise ValueError(f"status {answer.status_code}")
    try:
        found = json.loads(answer.content)
    except ValueError:
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - told as the others are
    return found


def _address(document: Mapping[str, Any], key: str) -> str:
    """An address out of the discovery document: https, or on this machine."""
    address = document.get(key)
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        safe = False
    if not safe:
        raise SignInError(f"the provider's discovery document has no {key} with https", hint=_REPORT)
    return str(address)


def _way(document: Mapping[str, Any], secret: str | None) -> str:
    """How the client proves itself: with its secret in a header, where the provider does not say that it takes none."""
    if secret is None:
        return "none"
    taken = document.get("token_endpoint_auth_methods_supported")
    in_body = isinstance(taken, list) and "client_secret_basic" not in taken and "client_secret_post" in taken
    return "client_secret_post" if in_body else "client_secret_basic"


def _decoded(text: str, keys: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from joserfc import jwt  # noqa: PLC0415 - comes with authlib
    from joserfc.jwk import KeySet  # noqa: PLC0415 - comes with authlib
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 - comes with authlib

    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    token = jwt.decode(text, KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
    return token.claims, token.header


def _reason(error: Exception) -> str:
    """The kind of a fault of the token, without what the token says."""
    return str(getattr(error, "error", "") or type(error).__name__).replace("_", " ")


def _is_word(text: object) -> bool:
    return isinstance(text, str) and text.replace("_", "").isalnum() and text.isascii() and len(text) < 40  # noqa: PLR2004
