"""Signing in, by each of the flows of the configuration, with simple-salesforce's own calls where it has them."""

from __future__ import annotations

import base64
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from xml.parsers.expat import ExpatError

import jwt
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin, token_login

from tailrace.errors import AccessDenied, DestinationError
from tailrace.redact import redact, register
from tailrace_destinations.salesforce.config import ClientCredentials, Jwt, Password, RefreshToken, SessionToken
from tailrace_destinations.salesforce.refresh import Rotation, refresh

if TYPE_CHECKING:
    import requests

    from tailrace_destinations.salesforce.config import SalesforceConfig

_ASSERTION_LIFE: Final = timedelta(minutes=3)
_BAD_ANSWER: Final = (AttributeError, TypeError, KeyError, ValueError, ExpatError)


def sign_in(config: SalesforceConfig, session: requests.Session, rotation: Rotation) -> tuple[str, str]:
    """The session id and the instance's host; AccessDenied with Salesforce's reason when it refuses.

    `rotation` is kept from one call to the next: it holds what replaced the configured refresh token.
    """
    try:
        with warnings.catch_warnings():
            # The library warns on stderr about what the error says as well.
            warnings.simplefilter("ignore")
            token, host = _sign_in(config, session, rotation)
    except SalesforceAuthenticationFailed as error:
        raise _refused(error) from None
    except jwt.PyJWTError as error:
        raise _bad_key(error) from None
    except DestinationError:
        raise
    except _BAD_ANSWER as error:
        raise _strange(error) from None
    register(str(token), passing=True)
    return str(token), str(host).rstrip("/")


def _sign_in(config: SalesforceConfig, session: requests.Session, rotation: Rotation) -> tuple[str, str]:
    match config.auth:
        case SessionToken() as auth:
            return auth.session_id.reveal(), auth.instance_url.partition("://")[2]
        case ClientCredentials() as auth:
            return _client_credentials(auth, session)
        case Jwt() as auth:
            return _jwt(auth, session)
        case RefreshToken() as auth:
            return refresh(auth, session, rotation)
        case Password() as auth if auth.client_id is None:
            return _soap(auth, config.api_version, session)
        case Password() as auth:
            return _oauth_password(auth, session)


def _oauth(
    login_url: str, data: dict[str, str], session: requests.Session, headers: dict[str, str] | None = None
) -> tuple[str, str]:
    # The library names the app's consumer key in a warning that we silence, so it gets none.
    url = f"{login_url}/services/oauth2/token"
    answer: tuple[Any, Any] = token_login(url, data, "", "", headers, None, session)
    return str(answer[0]), str(answer[1])


def _client_credentials(auth: ClientCredentials, session: requests.Session) -> tuple[str, str]:
    pair = f"{auth.client_id}:{auth.client_secret.reveal()}"
    basic = base64.b64encode(pair.encode()).decode()
    register(basic)
    return _oauth(auth.login_url, {"grant_type": "client_credentials"}, session, {"Authorization": f"Basic {basic}"})


def _jwt(auth: Jwt, session: requests.Session) -> tuple[str, str]:
    claims = {
        "iss": auth.client_id,
        "sub": auth.username,
        "aud": auth.audience or auth.login_url,
        "exp": int((datetime.now(UTC) + _ASSERTION_LIFE).timestamp()),
    }
    assertion = jwt.encode(claims, auth.private_key.reveal(), algorithm="RS256")
    data = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return _oauth(auth.login_url, data, session)


def _oauth_password(auth: Password, session: requests.Session) -> tuple[str, str]:
    token = auth.security_token.reveal() if auth.security_token else ""
    data = {
        "grant_type": "password",
        "client_id": str(auth.client_id),
        "client_secret": auth.client_secret.reveal() if auth.client_secret else "",
        "username": auth.username,
        "password": auth.password.reveal() + token,
    }
    return _oauth(auth.login_url, data, session)


def _soap(auth: Password, api_version: str, session: requests.Session) -> tuple[str, str]:
    # The library takes any host under the name of a scratch org's URL.
    answer: tuple[str, str] = SalesforceLogin(
        username=auth.username,
        password=auth.password.reveal(),
        security_token=auth.security_token.reveal() if auth.security_token else "",
        scratch_url=auth.login_url,
        sf_version=api_version,
        session=session,
    )
    return answer


def _refused(error: SalesforceAuthenticationFailed) -> AccessDenied:
    # The library's class keeps its message template, whose place for the reply is never filled.
    told = str(error.message or "no reason given").replace("Response content: {content}", "")
    reason = redact(" ".join(told.split()))[:500]
    return AccessDenied(
        f"Salesforce refused to sign in: {error.code}: {reason}",
        code=str(error.code) if error.code else None,
        hint="Check auth: login_url (the My Domain host for client_credentials), the app and its secrets.",
    )


def _bad_key(error: Exception) -> AccessDenied:
    return AccessDenied(
        f"The private_key cannot sign: {type(error).__name__}",
        hint="It must be the PEM text of the RSA key whose certificate the connected app has.",
    )


def _strange(error: Exception) -> AccessDenied:
    if isinstance(error, ValueError) and "key" in str(error).lower():
        return _bad_key(error)
    return AccessDenied(
        "The answer to signing in is not Salesforce's.",
        hint="Check that login_url is a Salesforce host, not a page or a proxy in front of it.",
    )
