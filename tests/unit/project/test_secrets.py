import json
import pickle

import pytest
from pydantic import ValidationError

from tailrace import redact
from tailrace.errors import SecretError
from tailrace.project import references
from tailrace.project.config import Model
from tailrace.project.reading import Reading, Text
from tailrace.project.types import Secret, SecretUrl

CANARY = "c4nary-Wert/+ä"


class Holder(Model):
    """One field of each sort."""

    secret: Secret = Secret.literal("x")
    url: SecretUrl = SecretUrl.literal("x://y")
    text: str = ""


def hold(tmp_path, **values):
    marked = {name: Text.at(value, 3, 7) for name, value in values.items()}
    return Holder.model_validate(marked, context=Reading(tmp_path, tmp_path / "tailrace.yml"))


def test_a_secret_is_resolved_when_revealed_and_never_printed(tmp_path, monkeypatch):
    """Loading needs no value; every way of printing shows the reference."""
    held = hold(tmp_path, secret="pre-${env:CANARY}")
    monkeypatch.setenv("CANARY", CANARY)
    assert held.secret.reveal() == f"pre-{CANARY}"
    shown = [str(held), repr(held), held.model_dump_json(), str(held.model_dump()), f"{held.secret}", str(vars(held))]
    for text in shown:
        assert CANARY not in text
        assert "pre-" not in text
        assert "${env:CANARY}" in text


def test_a_revealed_value_is_known_to_redact(tmp_path, monkeypatch):
    """Whatever prints it later, prints ***."""
    monkeypatch.setenv("CANARY", "just-revealed-value")
    hold(tmp_path, secret="${env:CANARY}").secret.reveal()
    assert redact.redact("token=just-revealed-value!") == "token=***!"


def test_a_missing_variable_names_place_and_variable(tmp_path, monkeypatch):
    """The user must know which file to look at, and what to set."""
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(SecretError) as caught:
        hold(tmp_path, secret="${env:NO_SUCH}").secret.reveal()
    assert f"{tmp_path}/tailrace.yml:3:7" in str(caught.value)
    assert "NO_SUCH" in str(caught.value)
    assert caught.value.hint


def test_an_empty_secret_is_an_error(tmp_path, monkeypatch):
    """A variable that CI left empty would otherwise sign in with nothing."""
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(SecretError, match="is empty"):
        hold(tmp_path, secret="${env:EMPTY}").secret.reveal()


def test_a_literal_secret_is_refused_without_being_repeated(tmp_path):
    """The message shows how to write the reference."""
    with pytest.raises(ValidationError) as caught:
        hold(tmp_path, secret=CANARY)
    assert CANARY not in str(caught.value)
    assert 'secret: "${env:SECRET}"' in str(caught.value)


@pytest.mark.parametrize(
    "text", ["${", "${}", "${env}", "${env:}", "${ENV:A}", "a ${env:A", "${vault:x}", "${env:a\nb}"]
)
def test_malformed_references_are_refused(tmp_path, text):
    """A reference with a slip would otherwise be sent as it stands."""
    for name in ("secret", "text"):
        with pytest.raises(ValidationError, match=r"\$\{|provider"):
            hold(tmp_path, **{name: text})


def test_plain_texts_are_substituted_at_load(tmp_path, monkeypatch):
    """References work inside longer texts, a doubled dollar writes a plain one."""
    monkeypatch.setenv("WHERE", "here")
    held = hold(tmp_path, text="${env:WHERE}, $${env:WHERE}, $5, $$5 and ${env:WHERE}")
    assert held.text == "here, ${env:WHERE}, $5, $$5 and here"


def test_a_missing_variable_in_a_plain_text_is_found_at_load(tmp_path, monkeypatch):
    """A path with a hole in it cannot be used."""
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(ValidationError, match=r"\$\{env:NO_SUCH\} is not set"):
        hold(tmp_path, text="${env:NO_SUCH}")


def test_a_secret_file_is_read_without_its_last_line_break(tmp_path):
    """Editors end files with a line break that is no part of the secret."""
    (tmp_path / "key").write_text("line one\nline two\n")
    assert hold(tmp_path, secret="${file:key}").secret.reveal() == "line one\nline two"
    assert hold(tmp_path, secret=f"${{file:{tmp_path}/key}}").secret.reveal() == "line one\nline two"


@pytest.mark.parametrize("path", ["../outside", "link", "nothing", "folder", "large", "binary"])
def test_files_that_cannot_be_a_secret_are_errors(tmp_path, path):
    """A relative path stays in the project, links followed; the rest must be a small text file."""
    project = tmp_path / "project"
    (project / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_text(CANARY)
    (project / "link").symlink_to(tmp_path / "outside")
    (project / "large").write_bytes(b"x" * (references.MAX_FILE_BYTES + 1))
    (project / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretError) as caught:
        hold(project, secret=f"${{file:{path}}}").secret.reveal()
    assert path in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_provider_that_fails_does_not_leak(tmp_path, monkeypatch):
    """A vault client's own message may hold what it fetched."""

    def vault(argument, root):
        raise RuntimeError(CANARY)

    monkeypatch.setitem(references._BUILT_IN, "env", vault)
    with pytest.raises(SecretError, match="RuntimeError") as caught:
        hold(tmp_path, secret="${env:A}").secret.reveal()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///a.db",
        "postgresql+psycopg://app@db/ops",
        "postgresql://app:${env:PW}@db/ops",
        "postgresql://${env:U}:${env:PW}@db/ops",
        "${env:URL}",
        "https://host:8080/path",
        "https://host/in?token=${env:T}&x=1",
        "https://host/in?tokens=5",
        "x://user:@host",
    ],
)
def test_urls_without_literal_passwords_pass(tmp_path, url):
    """Only the secret part must be a reference."""
    assert str(hold(tmp_path, url=url).url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:c4nary@db/ops",
        "postgresql://:c4nary@db",
        "postgresql://app:c4nary${env:PW}@db",
        "postgresql://app:${env:PW}c4nary@db",
        "postgresql://app:c4n/ary@db",
        "https://host/in?token=c4nary",
        "https://host/in?a=b&PassWord=c4nary",
        "${env:SCHEME}://app:c4nary@db",
    ],
)
def test_urls_with_literal_passwords_are_refused(tmp_path, url):
    """However the password is placed, it is found and not repeated."""
    with pytest.raises(ValidationError) as caught:
        hold(tmp_path, url=url)
    assert "must not hold a password" in str(caught.value)
    assert "c4n" not in str(caught.value)


def test_a_url_shows_all_but_its_secrets(tmp_path, monkeypatch):
    """`safe` is for messages: host and database readable, password, tokens and secret paths not."""
    monkeypatch.setenv("PW", "pass-word-1")
    monkeypatch.setenv("HOST", "db.internal")
    held = hold(tmp_path, url="postgresql://app:${env:PW}@${env:HOST}/ops?token=${env:PW}&a=b")
    assert held.url.reveal() == "postgresql://app:pass-word-1@db.internal/ops?token=pass-word-1&a=b"
    assert held.url.safe == "postgresql://app:***@db.internal/ops?token=***&a=b"
    assert redact.redact("pass-word-1 at db.internal") == "*** at db.internal"
    assert hold(tmp_path, url="https://hooks/${env:PW}/x").url.safe == "https://hooks/***/x"
    monkeypatch.setenv("WHOLE", "mysql://u:other-pass@h/d")
    assert hold(tmp_path, url="${env:WHOLE}").url.safe == "mysql://u:***@h/d"
    assert SecretUrl.literal("mysql://u:other-pass@h/d").safe == "mysql://u:***@h/d"


def test_a_url_that_cannot_be_resolved_can_still_be_shown(tmp_path, monkeypatch):
    """A message about a missing variable must not fail for that variable."""
    monkeypatch.delenv("PW", raising=False)
    assert hold(tmp_path, url="postgresql://app:${env:PW}@db").url.safe == "postgresql://app:${env:PW}@db"


def test_a_url_full_of_references_is_judged_quickly(tmp_path):
    """No pattern may blow up on a hostile text."""
    url = "x://" + "${env:A}" * 300 + ":"
    assert str(hold(tmp_path, url=url).url) == url
    with pytest.raises(ValidationError, match="4096"):
        hold(tmp_path, url="x://" + "a" * 5000)


def test_secrets_compare_by_what_they_refer_to():
    """Two loads of the same file are equal."""
    one, two = (Holder.model_validate({"secret": "${env:A}"}) for _ in range(2))
    assert one == two
    assert hash(one.secret) == hash(two.secret)
    assert one.secret != Holder.model_validate({"secret": "${env:B}"}).secret
    assert pickle.loads(pickle.dumps(one.secret)) == one.secret  # noqa: S301  our own bytes
    assert json.loads(one.model_dump_json())["secret"] == "${env:A}"
