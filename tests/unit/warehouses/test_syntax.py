import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import WarehouseError
from tailrace.warehouses.dialects import _SYNTAX
from tailrace.warehouses.syntax import Syntax, expression, single_query

PLAIN = Syntax()


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "  SELECT ';' AS a, \";\" AS b -- ; delete",
        "with a as (select 1) select * from a /* ; */",
        "(select 1) union (select 2)",
        "select 'it''s; ok'",
        "from orders",
        "values (1)",
        "select E'\\';' as a",
    ],
)
def test_a_single_query_is_left_verbatim(sql):
    """A query without a closing semicolon is embedded exactly as its author wrote it."""
    assert single_query(sql, PLAIN) == sql


def test_a_closing_semicolon_becomes_a_space():
    """Closing semicolons would end the subquery, so they are blanked; what follows stays."""
    assert single_query("select 1 ; ; -- done", PLAIN) == "select 1     -- done"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "empty"),
        ("-- nothing\n ; ", "empty"),
        ("select 1;\nselect 2", "more than one statement; another begins in line 2"),
        ("delete from a", "begins with 'delete'"),
        ("select 'a\n", "quote in line 1 that is never closed"),
        ("select 1\n/* a", "comment in line 2 that is never closed"),
        ("select 1) as a, (select 2", "')' without its '(' in line 1"),
        ("select\n (1", "'(' without its ')' in line 2"),
    ],
)
def test_what_is_no_single_query_is_refused(sql, message):
    """Several statements, writes and unbalanced text each get an error that says what and where."""
    with pytest.raises(WarehouseError) as caught:
        single_query(sql, PLAIN)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgresql", "select $$;'$$, $a$;$$;$a$ /* /* ; */ ; */"),
        ("duckdb", "select $x$;$x$"),
        ("snowflake", "select 'a\\';' // ; '"),
        ("bigquery", "select '''it's;''', \"a\\\";\", `a;b` # ; '"),
        ("mysql", "select 'a\\';', `;` # ; '"),
    ],
)
def test_each_dialects_own_quotes_and_comments_hide_semicolons(dialect, sql):
    """What looks like a second statement inside a dialect's string or comment is none."""
    assert single_query(sql, _SYNTAX[dialect]) == sql


@pytest.mark.parametrize("sql", ["", "-- nothing", "a; b", "a) from x, (b", "'open"])
def test_a_fields_sql_must_be_one_expression(sql):
    """A field's sql that could leave its brackets is refused, and the field is named."""
    with pytest.raises(WarehouseError, match="LTV__c"):
        expression(sql, PLAIN, "LTV__c")


@given(st.text(alphabet="ab'\"`;()-/*$\\#\n \u00e9", max_size=40), st.sampled_from(sorted(_SYNTAX)))
def test_any_text_is_a_query_or_a_clear_error(text, dialect):
    """No text, however malformed, makes the lexer fail otherwise or change anything but semicolons."""
    try:
        result = single_query("select " + text, _SYNTAX[dialect])
    except WarehouseError:
        return
    assert len(result) == len(text) + 7
    assert all(new == old or (old == ";" and new == " ") for new, old in zip(result, "select " + text, strict=True))
