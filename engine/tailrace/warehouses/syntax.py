"""Just enough of SQL's lexical rules to embed a model as a subquery without reading its meaning.

What is found: where strings, quoted names and comments begin and end, statements' ends, brackets.
What is never done: rewriting. The one change to a model is that a closing `;` becomes a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tailrace.errors import WarehouseError

_QUERY_WORDS = frozenset({"select", "with", "from", "values", "table"})


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a warehouse's dialect delimits strings and comments."""

    backslash: bool = False
    """A backslash escapes the next character of a string."""
    dollar_quotes: bool = False
    """`$tag$ … $tag$` is a string."""
    hash_comments: bool = False
    """`#` begins a comment."""
    slash_comments: bool = False
    """`//` begins a comment."""
    nested_comments: bool = False
    """`/* /* */ */` is one comment."""
    triple_quotes: bool = False
    """Three quotes begin a string that may hold single ones."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def single_query(sql: str, syntax: Syntax) -> str:
    """The model's text, fit to stand in brackets; WarehouseError unless it is exactly one query."""
    sql = sql.removeprefix("\ufeff")
    tokens = list(_tokens(sql, syntax, "the model"))
    if not tokens or tokens[0].kind == ";":
        raise WarehouseError("the model is empty", hint="write one SELECT in its file")
    _check_first_word(tokens[0])
    _check_one_statement(sql, tokens)
    _check_brackets(sql, tokens, "the model")
    return _blank(sql, [token.start for token in tokens if token.kind == ";"])


def expression(sql: str, syntax: Syntax, field: str) -> str:
    """A field's `{sql: …}`, verbatim; WarehouseError unless it can stand in brackets."""
    where = f"the sql of field {field!r}"
    tokens = list(_tokens(sql, syntax, where))
    if not tokens:
        raise WarehouseError(f"{where} is empty", hint="write an expression over the model's columns")
    if any(token.kind == ";" for token in tokens):
        raise WarehouseError(f"{where} holds a ';'", hint="write one expression over the model's columns")
    _check_brackets(sql, tokens, where)
    return sql


def _check_first_word(token: _Token) -> None:
    if token.text != "(" and token.text.lower() not in _QUERY_WORDS:
        raise WarehouseError(
            f"the model begins with {token.text!r}, so it is no query",
            hint="a model is one SELECT (WITH … SELECT is fine); Tailrace never writes to the warehouse",
        )


def _check_one_statement(sql: str, tokens: list[_Token]) -> None:
    ended = False
    for token in tokens:
        if ended and token.kind != ";":
            raise WarehouseError(
                f"the model holds more than one statement; another begins in line {_line(sql, token.start)}",
                hint="keep one SELECT per file; common table expressions (WITH …) can hold the steps before it",
            )
        ended = ended or token.kind == ";"


def _check_brackets(sql: str, tokens: list[_Token], where: str) -> None:
    opened: list[int] = []
    for token in tokens:
        if token.kind == "(":
            opened.append(token.start)
        elif token.kind == ")" and not opened:
            raise WarehouseError(f"{where} has a ')' without its '(' in line {_line(sql, token.start)}")
        elif token.kind == ")":
            opened.pop()
    if opened:
        raise WarehouseError(f"{where} has a '(' without its ')' in line {_line(sql, opened[-1])}")


def _blank(sql: str, positions: list[int]) -> str:
    text = list(sql)
    for position in positions:
        text[position] = " "
    return "".join(text)


def _line(sql: str, position: int) -> int:
    return sql.count("\n", 0, position) + 1


def _tokens(sql: str, syntax: Syntax, where: str) -> Iterator[_Token]:
    """Words, `;`, brackets, strings and other characters; comments and spaces are left out."""
    pattern = _pattern(syntax)
    position = 0
    while position < len(sql):
        match = pattern.match(sql, position)
        assert match is not None  # noqa: S101 - the last alternative takes any character
        kind, start = match.lastgroup or "", position
        position = match.end()
        if kind == "comment_open":
            position = _comment_end(sql, start, syntax, where)
        elif kind == "open":
            raise WarehouseError(f"{where} has a quote in line {_line(sql, start)} that is never closed")
        elif kind != "skip":
            text = match.group()
            yield _Token(text if kind == "mark" else kind, text, start)


def _comment_end(sql: str, start: int, syntax: Syntax, where: str) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", sql[start:]):
        if mark.group() == "*/":
            depth -= 1
        elif depth == 0 or syntax.nested_comments:
            depth += 1
        if depth == 0:
            return start + mark.end()
    raise WarehouseError(f"{where} has a comment in line {_line(sql, start)} that is never closed")


@cache
def _pattern(syntax: Syntax) -> re.Pattern[str]:
    inside = r"\\.|" if syntax.backslash else ""
    stop = r"\\" if syntax.backslash else ""
    strings = [rf"{quote}(?:{inside}[^{quote}{stop}]|{quote}{quote})*+{quote}" for quote in ("'", '"')]
    strings += [r"`(?:[^`]|``)*+`", r"[eE]'(?:\\.|[^'\\]|'')*+'"]
    if syntax.dollar_quotes:
        strings.append(r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$")
    if syntax.triple_quotes:
        strings[:0] = [rf"{quote * 3}(?:\\.|[^\\])*?{quote * 3}" for quote in ("'", '"')]
    comments = ["--"] + ["#"] * syntax.hash_comments + ["//"] * syntax.slash_comments
    return re.compile(
        rf"(?P<skip>\s+|(?:{'|'.join(comments)})[^\n]*)"
        r"|(?P<comment_open>/\*)"
        rf"|(?P<string>{'|'.join(strings)})"
        r"|(?P<word>[^\W\d][\w$]*)"
        r"|(?P<mark>[;()])"
        r"|(?P<open>['\"`])"
        r"|(?P<other>.)",
        re.DOTALL,
    )
