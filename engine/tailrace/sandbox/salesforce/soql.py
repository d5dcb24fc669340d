"""The subset of SOQL that clients of the sandbox need, parsed into plain functions.

SELECT fields | COUNT() FROM object [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n], with =, !=, <, <=,
>, >=, LIKE, IN, NOT IN, AND, OR, NOT, parentheses, and parents one level or more up (Account.Name).
Texts compare without case, as Salesforce does, but for fields that are case-sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tailrace.sandbox.salesforce.errors import SalesforceError
from tailrace.sandbox.salesforce.fields import SfField
from tailrace.sandbox.salesforce.ids import parse_id
from tailrace.sandbox.salesforce.org import Org
from tailrace.sandbox.salesforce.table import Table, Values

Test = Callable[[Values], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<moment>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?)
    |(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<sign><=|>=|!=|<>|[=<>(),]))""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b", "f": "\f",
           "F": "\f", '"': '"', "'": "'", "\\": "\\"}  # fmt: skip
WILDCARDS = {"%": ".*", "_": "."}
WORDS = {"true": True, "false": False, "null": None}
CLAUSES = frozenset({"from", "where", "order", "limit", "offset", "and", "or", "not", "like", "in", "nulls"})


@dataclass(slots=True)
class Query:
    """A parsed query."""

    table: Table
    paths: list[str] = field(default_factory=list)
    counting: bool = False
    test: Test | None = None
    candidates: list[str] | None = None
    """Ids of the only records that can meet the condition, where an index tells; else None."""
    order: list[tuple[str, bool, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def run(org: Org, text: str, *, deleted: bool = False) -> tuple[Query, list[Values]]:
    """The query, and the records it selects, in order."""
    query = _Parser(org, text).query()
    return query, _select(org, query, deleted=deleted)


def value_of(org: Org, record: Values, table: Table, path: str) -> Any:
    """The value at a path such as `Account.Name`; None past an empty reference."""
    head, _, rest = path.partition(".")
    if not rest:
        made = table.object.get(head)
        return record.get(made.name) if made else None
    made = table.object.relation(head)
    if made is None:
        return None
    record_id = record.get(made.name) or ""
    parent = org.by_prefix(record_id) or org.table(made.referenceTo[0])
    found = parent.records.get(record_id)
    return value_of(org, found, parent, rest) if found else None


def _select(org: Org, query: Query, *, deleted: bool) -> list[Values]:
    records: Iterable[Values] = query.table.records.values()
    if query.candidates is not None and not deleted:
        records = [query.table.records[record_id] for record_id in dict.fromkeys(query.candidates)]
    found = [r for r in records if (deleted or not r.get("IsDeleted")) and (query.test is None or query.test(r))]
    for path, down, nulls_last in reversed(query.order):
        _sort(org, query.table, found, path, down=down, nulls_last=nulls_last)
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def _sort(org: Org, table: Table, found: list[Values], path: str, *, down: bool, nulls_last: bool) -> None:
    def rank(record: Values) -> Any:
        value = value_of(org, record, table, path)
        return value.lower() if isinstance(value, str) else value

    with_value = [r for r in found if rank(r) is not None]
    without = [r for r in found if rank(r) is None]
    with_value.sort(key=rank, reverse=down)
    found[:] = with_value + without if nulls_last else without + with_value


class _Parser:
    def __init__(self, org: Org, text: str) -> None:
        self._org = org
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._table: Table

    def query(self) -> Query:
        self._word("select")
        start = self._at
        while self._peek_word() != "from":
            self._next()
        self._word("from")
        self._table = self._object(self._name())
        after_from = self._at
        self._at = start
        query = Query(self._table)
        self._selection(query)
        self._at = after_from
        self._clauses(query)
        if self._at < len(self._tokens):
            self._fail(f"unexpected token: {self._tokens[self._at][1]}")
        return query

    def _object(self, name: str) -> Table:
        try:
            return self._org.table(name)
        except SalesforceError:
            message = f"sObject type '{name}' is not supported."
            raise SalesforceError(400, "INVALID_TYPE", message) from None

    def _selection(self, query: Query) -> None:
        while self._peek_word() != "from":
            name = self._name()
            if name.lower() == "count" and self._accept("("):
                self._expect(")")
                query.counting = True
            else:
                self._field(name)
                query.paths.append(name)
            if not self._accept(","):
                break
        if self._peek_word() != "from" or not (query.paths or query.counting):
            self._fail("unexpected token in the list of fields")

    def _clauses(self, query: Query) -> None:
        if self._accept_word("where"):
            query.test = self._either(query)
        if self._accept_word("order"):
            self._word("by")
            self._order(query)
        if self._accept_word("limit"):
            query.limit = self._whole()
        if self._accept_word("offset"):
            query.offset = self._whole()

    def _order(self, query: Query) -> None:
        while True:
            path = self._name()
            self._field(path)
            down = self._accept_word("desc") or not (self._accept_word("asc") or True)
            nulls_last = down
            if self._accept_word("nulls"):
                nulls_last = self._accept_word("last")
                if not nulls_last:
                    self._word("first")
            query.order.append((path, down, nulls_last))
            if not self._accept(","):
                return

    def _either(self, query: Query) -> Test:
        tests = [self._both(query)]
        while self._accept_word("or"):
            tests.append(self._both(query))
        if len(tests) == 1:
            return tests[0]
        query.candidates = None
        return lambda record: any(test(record) for test in tests)

    def _both(self, query: Query) -> Test:
        tests = [self._one(query)]
        while self._accept_word("and"):
            tests.append(self._one(query))
        return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)

    def _one(self, query: Query) -> Test:
        if self._accept_word("not"):
            inner = self._one(query)
            query.candidates = None
            return lambda record: not inner(record)
        if self._accept("("):
            inner = self._either(query)
            self._expect(")")
            return inner
        return self._comparison(query)

    def _comparison(self, query: Query) -> Test:
        path = self._name()
        made = self._field(path)
        if self._accept_word("in"):
            wanted = self._values(made)
            self._narrow(query, path, made, wanted)
            members = {_folded(made, value) for value in wanted}
            return lambda record: self._get(record, path, made) in members
        if self._accept_word("not"):
            self._word("in")
            others = {_folded(made, value) for value in self._values(made)}
            return lambda record: self._get(record, path, made) not in others
        if self._accept_word("like"):
            pattern = _like(self._value(made))
            return lambda record: bool(pattern.fullmatch(str(self._get(record, path, made) or "")))
        return self._compared(query, path, made)

    def _compared(self, query: Query, path: str, made: SfField) -> Test:
        kind, sign = self._next()
        if kind != "sign" or sign not in _SIGNS:
            self._fail(f"unexpected token: {sign}")
        value = self._value(made)
        if sign == "=" and value is not None:
            self._narrow(query, path, made, [value])
        compare, wanted = _SIGNS[sign], _folded(made, value)
        return lambda record: compare(self._get(record, path, made), wanted)

    def _narrow(self, query: Query, path: str, made: SfField, wanted: list[Any]) -> None:
        if "." in path or not (made.type == "id" or self._table.indexed(made.name)) or None in wanted:
            return
        query.candidates = [record_id for value in wanted for record_id in self._table.find(made, value)]

    def _get(self, record: Values, path: str, made: SfField) -> Any:
        return _folded(made, value_of(self._org, record, self._table, path))

    def _values(self, made: SfField) -> list[Any]:
        self._expect("(")
        values = [self._value(made)]
        while self._accept(","):
            values.append(self._value(made))
        self._expect(")")
        return values

    def _value(self, made: SfField) -> Any:
        kind, text = self._next()
        if kind == "name" and text.lower() in WORDS:
            return WORDS[text.lower()]
        quoted = made.type not in _UNQUOTED
        if quoted != (kind == "text") or kind not in {"text", "number", "moment"}:
            message = (
                f"value of filter criterion for field '{made.name}' must be of type {made.type} "
                f"and should {'' if quoted else 'not '}be enclosed in quotes"
            )
            raise SalesforceError(400, "INVALID_FIELD", message)
        if kind == "text":
            return self._unescaped(text[1:-1])
        return float(text) if kind == "number" else made.check(text)

    def _unescaped(self, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            letter = match.group(1)
            if letter[0] == "u":
                return chr(int(letter[1:], 16))
            if letter in "_%":
                return "\\" + letter
            if letter not in ESCAPES:
                self._fail(f"Invalid string literal: illegal character sequence \\{letter}")
            return ESCAPES[letter]

        return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, text, flags=re.DOTALL)

    def _field(self, path: str) -> SfField:
        table = self._table
        *parents, name = path.split(".")
        for parent in parents:
            made = table.object.relation(parent)
            if made is None:
                message = f"Didn't understand relationship '{parent}' in field path."
                raise SalesforceError(400, "INVALID_FIELD", message)
            table = self._org.table(made.referenceTo[0])
        found = table.object.get(name)
        if found is None:
            message = f"No such column '{name}' on entity '{table.object.name}'."
            raise SalesforceError(400, "INVALID_FIELD", message)
        return found

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdecimal():
            self._fail(f"unexpected token: {text}")
        return int(text)

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name" or text.lower() in CLAUSES:
            self._fail(f"unexpected token: {text}")
        return text

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            self._fail("unexpected end of query")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek_word(self) -> str:
        if self._at >= len(self._tokens):
            self._fail("unexpected end of query")
        kind, text = self._tokens[self._at]
        return text.lower() if kind == "name" else ""

    def _accept_word(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._peek_word() == word:
            self._at += 1
            return True
        return False

    def _word(self, word: str) -> None:
        if not self._accept_word(word):
            self._fail(f"expecting {word.upper()}")

    def _accept(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            self._fail(f"expecting '{sign}'")

    def _fail(self, message: str) -> NoReturn:
        raise SalesforceError(400, "MALFORMED_QUERY", message)


_UNQUOTED = frozenset({"boolean", "int", "double", "currency", "percent", "date", "datetime", "time"})


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at, text = 0, text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SalesforceError(400, "MALFORMED_QUERY", f"unexpected token: '{text[at : at + 20]}'")
        at = match.end()
        yield match.lastgroup or "", match.group(match.lastgroup or 0)


def _folded(made: SfField, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if made.type in {"id", "reference"}:
        return parse_id(value) or value
    return made.fold(value)


def _like(pattern: Any) -> re.Pattern[str]:
    def made(part: str) -> str:
        if part in WILDCARDS:
            return WILDCARDS[part]
        return re.escape(part[1:] if part in {"\\_", "\\%"} else part)

    parts = re.split(r"(\\[_%]|[_%])", str(pattern))
    return re.compile("".join(map(made, parts)), re.IGNORECASE | re.DOTALL)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not None and wanted is not None and test(value, wanted)


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, wanted: bool(value == wanted),
    "!=": lambda value, wanted: bool(value != wanted),
    "<>": lambda value, wanted: bool(value != wanted),
    "<": _ordered(lambda value, wanted: value < wanted),
    "<=": _ordered(lambda value, wanted: value <= wanted),
    ">": _ordered(lambda value, wanted: value > wanted),
    ">=": _ordered(lambda value, wanted: value >= wanted),
}
