import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.project.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, core_value, read_yaml

FILE = Path("f.yml")


def read(text):
    return read_yaml(text if isinstance(text, bytes) else text.encode(), FILE)


def value(text):
    document = read(text)
    assert not document.problems
    return document.root.value


def only_problem(text):
    (problem,) = read(text).problems
    return problem


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("15%", "15%"),
        ("0x1F", 31),
        ("0o17", 15),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("~", None),
        ("", None),
        ("Null", None),
        ("True", True),
        ("false", False),
        ("tRUE", "tRUE"),
        ("-", "-"),
        ("1.2.3", "1.2.3"),
        ("+x", "+x"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text, meant):
    """No country becomes a boolean, no time of day a number."""
    found = core_value(text)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    "text", ["010", "-007", "00.5", ".inf", "-.INF", ".nan", "1e999", "9" * 19, "9" * 5000, "0x" + "f" * 40]
)
def test_numbers_that_would_surprise_are_refused(text):
    """Leading zeros, infinities and numbers beyond 64 bits are texts that lack their quotes."""
    problem = only_problem(f"a: {text}")
    assert "quotes" in problem.message
    assert (problem.line, problem.column) == (1, 4)
    assert value(f'a: "{text}"') == {"a": text}


def test_every_key_and_value_has_its_place():
    """Problems point at the very key or value."""
    root = read("# comment\na: 1\nb:\n  - x\n  - {c: 'ä', d: ! }\n".replace(" ! ", " z")).root
    assert root.keys == {"a": (2, 1), "b": (3, 1)}
    assert (root.children["a"].line, root.children["a"].column) == (2, 4)
    inner = root.children["b"].children[1]
    assert inner.keys == {"c": (5, 6), "d": (5, 14)}
    assert (inner.children["d"].line, inner.children["d"].column) == (5, 17)


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate key `a`; it is already in line 1", (3, 1)),
        ("a: {x: 1, x: 1}", "duplicate key `x`", (1, 11)),
        ("1: a", "key must be a text", (1, 1)),
        ("true: a", "key must be a text", (1, 1)),
        ("? [a]\n: b", "key must be a text", (1, 3)),
        ("&a x: 1\n*a : 2", "cannot have an anchor", (1, 1)),
        ("a: &a 1\n*a : 2", "key cannot be an alias", (2, 1)),
        ("a: !!str 1", "tags", (1, 4)),
        ("a: !x {b: c}", "tags", (1, 4)),
        ("%YAML 1.1\n---\na: b", "directives", (1, 1)),
        ("a: b\n---\na: c", "second document", (2, 1)),
        ("a: &x {b: 1}\nc: {<<: *x}", "merge keys", (2, 5)),
        ("a: *x", "has no anchor", (1, 4)),
        ("a: &x [*x]", "what it stands in", (1, 8)),
        ('a: "\\0"', "control characters", (1, 4)),
        ("a: [1, 2", "not valid YAML", (1, 9)),
        ("a:\n\t- b", "not valid YAML", (2, 1)),
        ("a: b: c", "not valid YAML", (1, 5)),
        (b"a: b\n\xff", "not UTF-8", (2, 1)),
        (b"\xef\xbb\xbf\xe2\x80\xa8\xf4*", "not UTF-8", (1, 2)),
        ("a: b".encode("utf-16"), "not UTF-8", (1, 1)),
        ("ab\0", "U+0000", (1, 3)),
        ("a: \x1b[0m", "U+001B", (1, 4)),
        (b"a" * (MAX_BYTES + 1), "over 1 MiB", (0, 0)),
        ("[" * (MAX_DEPTH + 1), "levels deep", (1, MAX_DEPTH + 1)),
        ("[" + "a," * (MAX_NODES + 1) + "]", "values", (1, 2 * MAX_NODES)),
    ],
)
def test_what_configuration_needs_not_is_refused_with_its_place(text, words, place):
    """Each refusal says what it is, and where."""
    problem = read(text).problems[0]
    assert words in problem.message
    assert (problem.line, problem.column) == place


def test_several_faults_are_told_at_once():
    """One duplicate key does not hide the next."""
    assert len(read("a: 1\na: 2\nb: 010\nb: 3\n").problems) == 3


def test_a_flood_of_faults_is_cut_off():
    """Nobody reads ten thousand lines, so the rest of the file is not read."""
    assert len(read("a: 1\n" * 10_000).problems) == 101


def test_aliases_share_values_within_a_budget():
    """An anchor may be used again; a bomb of them is refused before it goes off."""
    assert value("a: &x {b: [1]}\nc: *x") == {"a": {"b": [1]}, "c": {"b": [1]}}
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert "aliases expanded" in only_problem(bomb).message


def test_empty_files_are_empty():
    """Comments alone are no value; that is the caller's matter."""
    for text in ("", "# x\n", "\ufeff", "---\n"):
        document = read(text)
        assert not document.problems
        assert document.root is None or document.root.value is None


def test_a_secret_written_out_is_not_repeated():
    """A message quotes keys, never values."""
    document = read('a: 0123456789\nb: !x c4nary\nc: "c4nary\n')
    assert document.problems
    assert not any("c4nary" in str(each) or "123456789" in str(each) for each in document.problems)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"], exclude_characters="\ufeff")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc <=:#-", max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(PLAIN)
def test_json_reads_as_itself(data):
    """JSON is YAML: every document of it comes back unchanged."""
    assert value(json.dumps(data, ensure_ascii=False)) == data


TEXTS = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"], exclude_characters="\ufeff")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc <=:#-", max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(['"', "'"]))
def test_what_a_writer_quotes_reads_as_written(data, quote):
    """Another YAML writer's block style, folding and escapes come back unchanged."""
    assert value(yaml.safe_dump(data, default_style=quote, allow_unicode=True, width=20)) == data


PIECES = st.sampled_from(
    [
        "a",
        ": ",
        "\n",
        "  ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "|",
        ">",
        "&a ",
        "*a",
        "!",
        "!!",
        "%",
        "#",
        "---",
        "...",
        "<<",
        "~",
        "\\",
        "\t",
        "\r",
        "0",
        "1e9",
        "\u2028",
        "\x85",
        "é",
        "\ufeff",
        "${env:A}",
        "\0",
        "\\u",
    ]
)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(PIECES, max_size=60).map("".join) | st.lists(PIECES.map(str.encode) | st.binary(max_size=2)).map(b"".join)
)
def test_no_input_crashes_the_reader(text):
    """Any bytes give a document or problems, each with a place in the file."""
    document = read(text)
    lines = (text if isinstance(text, bytes) else text.encode()).count(b"\n") + 200
    assert all(0 <= problem.line <= lines for problem in document.problems)
    assert document.root is not None or document.problems or document == read("")


@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "{",
        "- ",
        "a: ",
        "? ",
        "? a\n",
        "- a\n",
        "- &a x\n",
        "a,",
        "!a ",
        "\n",
        "'",
        '"',
        "|\n",
        "%TAG !a! b\n",
        "---\n",
    ],
)
def test_a_mebibyte_of_anything_is_bounded(unit):
    """Whatever fills a file of the permitted size, only so much of it is ever turned into values."""
    for before in ("", "[", "a: "):
        document = read((before + unit * (MAX_BYTES // len(unit)))[:MAX_BYTES])
        assert document.root is None or document.root.size <= MAX_NODES
        assert len(document.problems) <= 101
