"""Rows of a table, of a model of dbt, and of a file with templates in it."""

import json

import pytest

PROJECT = """
warehouses:
  main: {type: duckdb, path: w.duckdb}
destinations:
  trail: {type: log}
vars: {country: DE, least: 3}
dbt: {manifest: dbt/target/manifest.json}
"""
SYNC = """
{source}
destination: trail
object: Person
mode: upsert
{key}
fields: {{name: name}}
"""


def node(name, *, package="shop", kind="model", **more):
    """A node of dbt's manifest."""
    return {
        "resource_type": kind,
        "name": name,
        "package_name": package,
        "unique_id": f"{kind}.{package}.{name}",
        "relation_name": f'"db"."marts"."{name}"',
        "columns": {},
        **more,
    }


def dbt_test(test, model, **kwargs):
    """A test of dbt."""
    return {
        "resource_type": "test",
        "name": f"{test}_{model}",
        "attached_node": f"model.shop.{model}",
        "test_metadata": {"name": test, "kwargs": kwargs},
    }


MANIFEST = {
    "nodes": {
        str(at): each
        for at, each in enumerate(
            [
                node("customers", primary_key=["customer_id"]),
                node("declared", constraints=[{"type": "primary_key", "columns": ["a", "b"]}]),
                node("by_column", columns={"id": {"name": "id", "constraints": [{"type": "primary_key"}]}}),
                node("by_test"),
                dbt_test("unique", "by_test", column_name="id"),
                dbt_test("not_null", "by_test", column_name="id"),
                dbt_test("unique", "by_test", column_name="email"),
                node("combined"),
                dbt_test("unique_combination_of_columns", "combined", combination_of_columns=["x", "y"]),
                node("keyless"),
                dbt_test("unique", "keyless", column_name="a"),
                node("fleeting", relation_name=None, config={"materialized": "ephemeral"}),
                node("twice"),
                node("twice", package="other"),
                node("old", version=1, latest_version=2, relation_name="marts.old_v1", primary_key=["id"]),
                node("old", version=2, latest_version=2, relation_name="marts.old_v2", primary_key=["id"]),
            ]
        )
    },
    "sources": {"s": {"source_name": "crm", "name": "people", "relation_name": '"raw"."people"'}},
}


def files(source, key="key: id", **more):
    """A project with one sync."""
    return {
        "tailrace.yml": PROJECT,
        "dbt/target/manifest.json": json.dumps(MANIFEST),
        "syncs/people.yml": SYNC.format(source=source, key=key),
        **more,
    }


@pytest.fixture
def sync(load):
    """The one sync of such a project."""
    return lambda *arguments, **named: load(files(*arguments, **named)).syncs["people"]


@pytest.fixture
def words(faults):
    """The one problem of such a project."""

    def find(*arguments, **named):
        (found,) = faults(files(*arguments, **named))
        return found

    return find


@pytest.mark.parametrize(
    "table", ["people", "crm.people", 'db."My Schema".people', "`my-project.crm`.people", "[a].[b]"]
)
def test_a_table_is_read_as_it_is_named(sync, table):
    """The warehouse's SQL decides what its name means."""
    made = sync(f"table: '{table}'")
    assert (made.sql, made.config.source, made.place) == (f"SELECT * FROM {table}", f"table {table}", f"table {table}")


@pytest.mark.parametrize("table", ["", "a b", "a; drop table b", "a.b.c.d.e", "a--", "(select 1)", "a.", '"a', "a\n"])
def test_what_is_no_table_is_told(words, table):
    """A query does not hide in a name."""
    assert "`table` should name one table or view" in words(f"table: {json.dumps(table)}")


def test_a_sync_reads_one_thing(words):
    """A model or a table."""
    assert "exactly one of model, table" in words("model: people\ntable: people")
    assert "exactly one of model, table" in words("")


@pytest.mark.parametrize(
    ("reference", "key", "relation"),
    [
        ("ref('customers')", ("customer_id",), '"db"."marts"."customers"'),
        ('ref("shop", "customers")', ("customer_id",), '"db"."marts"."customers"'),
        ("ref( 'declared' )", ("a", "b"), '"db"."marts"."declared"'),
        ("ref('by_column')", ("id",), '"db"."marts"."by_column"'),
        ("ref('by_test')", ("id",), '"db"."marts"."by_test"'),
        ("ref('combined')", ("x", "y"), '"db"."marts"."combined"'),
        ("ref('old')", ("id",), "marts.old_v2"),
    ],
)
def test_a_model_of_dbt_brings_its_relation_and_its_key(sync, reference, key, relation):
    """As declared, or as tested; of several versions the latest."""
    made = sync(f"model: {reference}", key="")
    assert (made.sql, made.config.key) == (f"SELECT * FROM {relation}", key)
    assert made.place == f"model {reference}"


def test_a_key_of_the_file_goes_before_that_of_dbt(sync):
    """It may be known better here."""
    assert sync("model: ref('customers')", key="key: [email]").config.key == ("email",)
    assert sync("model: source('crm', 'people')").sql == 'SELECT * FROM "raw"."people"'


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            "ref('custmers')",
            "people.yml:1:8: dbt/target/manifest.json has no ref('custmers'); did you mean customers?",
        ),
        ("source('crm', 'peple')", "has no source('crm', 'peple'); did you mean people?"),
        ("ref('fleeting')", "ref('fleeting') is ephemeral in dbt, which leaves no table or view to read"),
        ("ref('twice')", "is in several packages, other, shop; write ref('PACKAGE', 'twice')"),
        ("ref(customers)", "`model` should name a file under models/"),
        ("source('crm')", "`model` should name a file under models/"),
    ],
)
def test_what_dbt_does_not_have_is_told(words, tmp_path, reference, expected):
    """With the nearest name, or what to write."""
    assert expected in words(f'\nmodel: "{reference}"').replace(f"{tmp_path}/", "")


def test_a_missing_key_is_told(words):
    """Also where dbt was asked for one."""
    assert words("model: ref('keyless')", key="").endswith(
        "`key` is missing, and dbt has no primary key for it, nor one column that is tested as unique and not_null"
    )
    assert words("table: people", key="").endswith("`key` is missing")


def test_a_manifest_that_cannot_be_read_is_told(words, tmp_path):
    """Once for each sync that needs it."""
    said = words("model: ref('customers')", **{"dbt/target/manifest.json": None})
    assert f"there is no {tmp_path}/dbt/target/manifest.json; `dbt parse`" in said
    assert "cannot be read as dbt's manifest" in words("model: ref('customers')", **{"dbt/target/manifest.json": "[]"})
    plain = PROJECT.replace("dbt: {manifest: dbt/target/manifest.json}", "")
    assert "say where its manifest is" in words("model: ref('customers')", **{"tailrace.yml": plain})


def test_templates_are_filled_in(sync, monkeypatch):
    """Variables, the environment, models of dbt, and the sync's own name."""
    monkeypatch.setenv("SCHEMA", "live")
    text = (
        "select * from {{ env('SCHEMA') }}.{{ sync }} join {{ ref('customers') }} using (id)\n"
        "where country = '{{ var('country') }}' and n >= {{ var('least') }} and m < {{ var('most', 9) }}\n"
        "{% if env('NONE', '') %}and false{% endif %}{# nobody reads this #} -- {% raw %}{{ as it is }}{% endraw %}\n"
    )
    assert sync("model: people", **{"models/people.sql": text}).sql == (
        'select * from live.people join "db"."marts"."customers" using (id)\n'
        "where country = 'DE' and n >= 3 and m < 9\n -- {{ as it is }}\n"
    )


def test_a_model_without_templates_is_taken_verbatim(sync):
    """To the last blank."""
    text = "select 1 as id, 'a' as name where '{' <> '%}'  \n\n"
    assert sync("model: people", **{"models/people.sql": text}).sql == text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ var('contry') }}", "2:1: there is no variable 'contry'; set it under `vars`"),
        ("{{ env('NO_SUCH_NAME') }}", "2:1: the environment variable NO_SUCH_NAME is not set"),
        ("{{ ref('custmers') }}", "2:1: "),
        ("{{ source('crm') }}", "2:1: source('crm') should name one model"),
        ("{{ nothing }}", "2:1: the template cannot be filled in: 'nothing' is undefined"),
        ("{{ 1 / 0 }}", "2:1: the template cannot be filled in: division by zero"),
        ("{% if %}", "2:1: the template is broken: "),
        ("{{ ''.__class__.__mro__ }}", "2:1: the template cannot be filled in: "),
        ("{{ range(10000000) }}", "2:1: the template cannot be filled in: Range too big"),
        ("{% include 'other' %}", "2:1: "),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told_with_its_line(words, template, expected):
    """And nothing of Python can be reached through one."""
    said = words("model: people", **{"models/people.sql": f"select 1 as id,\n{template}"})
    assert said.startswith(f"models/people.sql:{expected}")


def test_what_a_variable_says_is_part_of_the_definition(sync):
    """A plan that was saved with another value does not fit any more."""
    text = "select * from people where country = '{{ var('country') }}'"
    first = sync("model: people", **{"models/people.sql": text})
    other = sync("model: people", **{"models/people.sql": text, "tailrace.yml": PROJECT.replace("DE", "FR")})
    assert first.definition_hash != other.definition_hash
    assert sync("table: people").definition_hash != sync("table: persons").definition_hash
