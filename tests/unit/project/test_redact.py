import base64
import json
import logging
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace import redact


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Each test starts with nothing registered."""
    monkeypatch.setattr(redact, "_forms", set())
    monkeypatch.setattr(redact, "_pattern", None)
    monkeypatch.setattr(redact, "_tokens", {})


SECRET = 's3cr/t+"wört\\\n#x'


@pytest.mark.parametrize(
    "disguise",
    [
        SECRET,
        repr(SECRET),
        str(SECRET.encode()),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET, safe="").lower(),
        urllib.parse.quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_all_usual_disguises_are_found(disguise):
    """A secret leaks encoded as well as plain."""
    redact.register(SECRET)
    shown = redact.redact(f"<<{disguise}>>")
    assert "***" in shown
    assert "s3cr" not in shown.lower()
    assert base64.b64encode(SECRET.encode()).decode()[2:10] not in shown


@settings(deadline=None)
@given(st.text(min_size=8, max_size=30), st.text(max_size=7), st.text(max_size=7))
def test_base64_is_found_inside_longer_texts(secret, before, after):
    """`Authorization: Basic` encodes user and password together, at any alignment."""
    redact._forms.clear()
    redact.register(secret)
    encoded = base64.b64encode(before.encode() + secret.encode() + after.encode()).decode()
    assert "***" in redact.redact(encoded)


@pytest.mark.parametrize("disguise", [str, lambda token: base64.b64encode(b"user:" + token.encode()).decode()])
def test_tokens_are_found_until_many_others_came(disguise):
    """They come and go for as long as the program runs, which must not grow by them."""
    tokens = [f"00D5e000001A!{number:06}.AQ4fz" for number in range(3 * redact.PASSING)]
    for number, token in enumerate(tokens):
        redact.register(token, passing=True)
        redact.register(tokens[0], passing=True)  # still in use
        latest = [tokens[0], *tokens[max(1, number - redact.PASSING + 2) : number + 1]]
        assert not any(disguise(each) in redact.redact(f"<{disguise(each)}>") for each in latest)
        assert len(redact._tokens) == min(redact.PASSING, number + 1)
    assert redact.redact(tokens[1]) == tokens[1]


def test_a_secret_within_a_token_leaves_nothing_of_it():
    """The token goes as a whole, whichever was known first."""
    redact.register("AQ4fz")
    redact.register("00D5e000001A!AQ4fz.tail", passing=True)
    assert redact.redact("token 00D5e000001A!AQ4fz.tail, secret AQ4fz") == "token ***, secret ***"


def test_lines_of_a_private_key_are_found_alone():
    """A log shows a key line by line."""
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
    redact.register(f"-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----")
    assert redact.redact(f"bad line: {line}") == "bad line: ***"
    assert redact.redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_short_values_are_left_alone():
    """Replacing `abc` would shred ordinary text."""
    redact.register("abc")
    redact.register("")
    assert redact.redact("abcdef") == "abcdef"


def test_the_longest_value_wins():
    """A secret that begins with another one is replaced whole."""
    redact.register("secret")
    redact.register("secret-longer")
    assert redact.redact("secret-longer secret") == "*** ***"


def test_log_records_are_redacted_in_all_their_texts(caplog):
    """Message, arguments, exception and extras: a handler sees none of it."""
    redact.register("t0p-secret")
    logger = logging.getLogger("tailrace.test")
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(logging.Formatter("%(message)s %(where)s").format(record))
    handler.addFilter(redact.RedactingFilter())
    logger.addHandler(handler)
    try:
        try:
            int("t0p-secret")
        except ValueError:
            logger.exception("sent %s", "t0p-secret", extra={"where": "t0p-secret"}, stack_info=True)
        logger.warning("broken %d", "t0p-secret", extra={"where": ""})
    finally:
        logger.removeHandler(handler)
    assert "sent *** ***" in seen[0]
    assert "ValueError: invalid literal for int() with base 10: '***'" in seen[0]
    assert "broken" in seen[1]
    assert not any("t0p-secret" in text for text in seen)
