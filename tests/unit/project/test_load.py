import dataclasses

import pydantic
import pytest

from tailrace.changes import DiffSpec
from tailrace.destination import Lookup
from tailrace.errors import ProjectError
from tailrace.project import LoadedProject, load_project


def sync(**replaced):
    """The text of a sync file, with keys replaced, added, or (None) left out."""
    keys = {
        "model": "people",
        "destination": "sales",
        "object": "Person",
        "mode": "upsert",
        "key": "id",
        "match": "{ext: id}",
        "fields": "{name: name}",
        **replaced,
    }
    return "".join(f"{key}: {text}\n" for key, text in keys.items() if text is not None)


def one(faults, **replaced):
    """The problems of a project whose one sync has these keys."""
    return faults({"syncs/people.yml": sync(**replaced)})


def test_a_valid_project_becomes_frozen_objects(load, tmp_path, fakes):
    """Names, defaults and the adapter's own model are all in place."""
    project = load()
    people = project.syncs["people"]
    assert isinstance(project, LoadedProject)
    assert project.root == tmp_path.resolve()
    assert (people.name, people.warehouse, people.config.key) == ("people", "main", ("id",))
    assert people.sql == "select 1 as id, 'a' as name"
    assert isinstance(people.destination_config, fakes.crm)
    assert project.config.destinations["sales"] is people.destination_config
    assert people.options.turbo is False
    assert people.config.guards.max_deletes == 0.15
    with pytest.raises(dataclasses.FrozenInstanceError):
        people.name = "x"
    with pytest.raises(pydantic.ValidationError):
        people.config.mode = "append"


def test_no_secret_is_needed_to_load(load, monkeypatch):
    """`plan` and `check` of files must work where the credentials are not."""
    monkeypatch.delenv("SALES_KEY", raising=False)
    assert "SALES_KEY" in repr(load().config.destinations["sales"].auth.key)


def test_a_folder_without_a_project_says_how_to_start_one(tmp_path, load, write):
    """The folder itself must hold the file; nothing is searched for elsewhere."""
    for folder in (tmp_path, tmp_path / "no" / "such"):
        with pytest.raises(ProjectError, match="tailrace init"):
            load_project(folder)
    (tmp_path / "tailrace.yaml").write_text("")
    with pytest.raises(ProjectError, match=r"rename tailrace\.yaml"):
        load_project(tmp_path)


def test_a_project_without_syncs_is_valid(load):
    """That is how every project begins."""
    assert load({"syncs/people.yml": None}).syncs == {}


def test_all_problems_of_all_files_come_at_once(faults):
    """One run of the loader shows all there is to do."""
    found = faults(
        {
            "tailrace.yml": "lease: 60\nwarehouses:\n  main: {type: duckdb}\ndestinations:\n  sales: {type: crn}\n",
            "syncs/people.yml": sync(mode="miror", batchsize=5),
            "syncs/broken.yml": "a: [1\n",
            "syncs/others.yml": sync(model="peple"),
        }
    )
    assert [line.split(": ", 1)[0] for line in found] == [
        "syncs/broken.yml:2:1",
        "syncs/others.yml:1:8",
        "syncs/people.yml:4:7",
        "syncs/people.yml:8:1",
        "tailrace.yml:1:8",
        "tailrace.yml:3:9",
        "tailrace.yml:5:17",
    ]


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        ({"batchsize": 5}, "8:1: unknown key `batchsize`; did you mean `batch_size`?"),
        ({"trubo": "true"}, "8:1: unknown key `trubo`; did you mean `turbo`?"),
        ({"guards": "{max_delete: 5%}"}, "8:10: unknown key `max_delete` in `guards`; did you mean `max_deletes`?"),
        ({"fields": "{a: {colum: x, value: 1}}"}, "7:14: unknown key `colum` in `fields.a`; did you mean `column`?"),
        (
            {"mode": "miror"},
            "4:7: `mode` should be upsert, update, insert, mirror, append or delete; did you mean `mirror`?",
        ),
        ({"destination": "sale"}, "2:14: there is no destination `sale`; did you mean `sales`?"),
        ({"warehouse": "mian"}, "8:12: there is no warehouse `mian`; did you mean `main`?"),
        ({"model": "peple"}, "1:8: there is no model `peple`; did you mean `people`?"),
        ({"folder": "x"}, "8:1: `folder` is a key of log syncs; sales is crm"),
        ({"object": None}, "1:1: `object` is missing"),
        ({"object": 5}, "3:9: `object` should be a text; put it in quotes"),
        ({"object": "''"}, "3:9: `object` should not be empty"),
        ({"object": None, "obj": "x"}, "7:1: unknown key `obj`; did you mean `object`?"),
        ({"object": ""}, "3:8: `object` should be a text, and it is empty"),
        ({"key": "[]"}, "5:6: `key` should not be empty"),
        ({"key": "[a, a]"}, "5:6: `key` should name each only once"),
        ({"key": "{a: b}"}, "5:6: `key` should be a column's name or a list of them"),
        ({"fields": "{name: 5}"}, "7:16: `fields.name` should be a column's name or a mapping"),
        ({"fields": "[name]"}, "7:9: `fields` should be a mapping (key: value)"),
        (
            {"fields": "{a: {value: [1]}}"},
            "7:21: `fields.a.value` should be a text, a whole number, a number or true or false",
        ),
        ({"fields": "{a: {column: x, value: 1}}"}, "7:13: `fields.a`: a field takes its value from exactly one"),
        ({"fields": "{a: {lookup: x, column: y}}"}, "7:13: `fields.a`: lookup and by go together"),
        ({"fields": "{a: {label: x, column: y}}"}, "7:13: `fields.a`: label and primary go with lookup"),
        ({"fields": "{a: {primary: true, column: y}}"}, "7:13: `fields.a`: label and primary go with lookup"),
        (
            {"fields": "{a: {lookup: x, by: z, label: l, primary: true, column: y}}"},
            "7:13: `fields.a`: a reference has either a label or primary: true",
        ),
        ({"fields": "{a: {hash: sha256, value: y}}"}, "7:13: `fields.a`: hash goes with column"),
        ({"batch_size": 0}, "8:13: `batch_size` should be 1 or more"),
        ({"batch_size": "many"}, "8:13: `batch_size` should be a whole number"),
        ({"turbo": "yes"}, "8:8: `turbo` should be true or false"),
        ({"tags": "crm"}, "8:7: `tags` should be a list"),
        ({"tags": "[crm, 5]"}, "8:13: `tags.2` should be a text; put it in quotes"),
        ({"schedule": "{cron: '* *'}"}, "8:18: `schedule.cron` should be a cron expression"),
        ({"schedule": "{cron: '* * * * *', timezone: Mars}"}, "8:41: `schedule.timezone` should be a time zone"),
        ({"schedule": "{}"}, "8:11: `schedule`: a schedule has exactly one of"),
        (
            {"schedule": '{cron: "0 0 31 2 *"}'},
            "8:18: `schedule.cron` is a cron expression of a time that never comes",
        ),
        ({"schedule": "{every: 15}"}, "8:19: `schedule.every` should be a duration above zero"),
        ({"schedule": "{after: [nobody]}"}, "8:20: there is no sync `nobody`"),
        ({"guards": "{max_deletes: lots}"}, "8:23: `guards.max_deletes` should be a share such as 15%"),
        ({"on_delete": "keep"}, "8:1: `on_delete` means something with mode mirror only; this sync has mode upsert"),
        ({"append": "new"}, "8:1: `append` means something with mode append only; this sync has mode upsert"),
        ({"mode": "delete"}, "7:1: `fields` mean nothing with mode delete"),
        ({"fields": "{}"}, "7:1: `fields` must map at least one field with mode upsert"),
        ({"fields": "{ext: id}"}, "7:10: `fields.ext` is a match field already"),
        ({"match": None}, "1:1: `match` is missing: mode upsert needs the field"),
        (
            {"description": "${env:SURELY_NOT_SET}"},
            "8:14: `description` cannot be read: ${env:SURELY_NOT_SET} is not set",
        ),
        ({"description": "'${env}'"}, "8:14: `description` holds no proper reference"),
        ({"model": "../people"}, "1:8: `model` should name a file under models/"),
        ({"model": "people.sql"}, "1:8: `model` should name a file under models/"),
    ],
)
def test_each_fault_of_a_sync_has_its_place_and_its_words(faults, replaced, expected):
    """What happened, where, and the nearest valid name."""
    (found,) = [
        line for line in one(faults, **replaced) if not line.endswith("`object` is missing") or len(replaced) == 1
    ]
    assert found.startswith(f"syncs/people.yml:{expected}")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            "{type: crn}",
            "16: `destinations.x.type` should name an adapter; installed are crm, log; did you mean `crm`?",
        ),
        ("{}", "9: `destinations.x.type` is missing"),
        ("[]", "9: `destinations.x` should be a mapping"),
        ("{type: crm, regoin: eu}", "21: unknown key `regoin` in `destinations.x`; did you mean `region`?"),
        ("{type: crm, auth: {flow: kye}}", "34: `destinations.x.auth.flow` should be key or user; did you mean `key`?"),
        ("{type: crm, auth: {}}", "27: `destinations.x.auth.flow` is missing"),
        ("{type: crm, auth: {flow: key}}", "27: `destinations.x.auth.key` is missing"),
        (
            "{type: crm, auth: {flow: key, kez: a}}",
            "39: unknown key `kez` in `destinations.x.auth`; did you mean `key`?",
        ),
        (
            "{type: crm, auth: {flow: key, key: c4nary}}",
            "44: `destinations.x.auth.key` must not stand in the file itself",
        ),
        ("{type: crm, auth: {flow: key, key: 12345}}", "44: `destinations.x.auth.key` should be a text"),
        ("{type: crm, url: 'x://u:c4nary@h'}", "26: `destinations.x.url` must not hold a password itself"),
        ("{type: crm, version: 62.0}", "30: `destinations.x.version` should be a text; put it in quotes"),
        ("{type: crm, version: '${env:V}'}", "30: `destinations.x.version` cannot hold a ${…} reference"),
        ("{type: crm, limit: 6}", "28: `destinations.x.limit` should be 5 or less"),
        (
            "{type: crm, rate: {calls: 10, per: 1s}}",
            "27: `destinations.x.rate` should be a list: [{calls: 10, per: 1s}]",
        ),
        ("{type: crm, rate: [{calls: 1}]}", "28: `destinations.x.rate.1.per` is missing"),
        ("{type: crm, reserve: 20}", "30: `destinations.x.reserve` should be a share from 0% to 100%"),
        ("{type: crm, settle: 10}", "29: `destinations.x.settle` should be a duration with its unit"),
    ],
)
def test_each_fault_of_a_destination_is_told_in_the_adapters_own_terms(faults, entry, expected):
    """The adapter's model judges its entry; a secret is never repeated."""
    found = faults({"tailrace.yml": f"destinations:\n     x: {entry}\n", "syncs/people.yml": None})
    assert any(line.startswith(f"tailrace.yml:2:{expected}") for line in found), found
    assert not any("c4nary" in line for line in found)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            "{type: duckbd, path: x}",
            (
                "16: `warehouses.x.type` should be duckdb, postgres, snowflake, bigquery, redshift, databricks, "
                "mysql, mariadb, mssql, clickhouse, trino, sqlite or sqlalchemy"
            ),
        ),
        ("{type: duckdb, paht: x, path: y}", "24: unknown key `paht` in `warehouses.x`; did you mean `path`?"),
        ("{type: snowflake}", "9: `warehouses.x`: give either url, or account and user"),
        ("{type: snowflake, url: 'snowflake://x', role: r}", "9: `warehouses.x`: the url says it all"),
        (
            "{type: snowflake, account: a, user: u, browser: true, password: '${env:SET}'}",
            "9: `warehouses.x`: sign in one way: give password, or private_key, or private_key_path, or oauth_token",
        ),
        (
            "{type: snowflake, account: a, user: u, browser: true, private_key_passphrase: '${env:SET}'}",
            "9: `warehouses.x`: private_key_passphrase says nothing without private_key or private_key_path",
        ),
        (
            "{type: snowflake, account: a, user: u, oauth_token: c4nary}",
            "61: `warehouses.x.oauth_token` must not stand",
        ),
        ("{type: redshift, database: d, cluster: c}", "9: `warehouses.x`: sign in one way: give host with user with"),
        (
            "{type: redshift, database: d, host: h, user: u, password: '${env:SET}', profile: p}",
            "9: `warehouses.x`: profile says nothing without cluster or workgroup",
        ),
        ("{type: databricks, host: h, http_path: p, client_id: c}", "9: `warehouses.x`: sign in one way: give access_"),
        ("{type: bigquery, project: p, credentials: '${env:SET}', credentials_path: k}", "9: `warehouses.x`: give one"),
        (
            "{type: trino, host: h, user: u, catalog: c, secure: false, password: '${env:SET}'}",
            "9: `warehouses.x`: Tri",
        ),
        (
            "{type: mssql, host: h, port: 70000, user: u, password: '${env:SET}', database: d}",
            "38: `warehouses.x.port`",
        ),
        ("{type: mysql, host: h, user: u, databse: d, database: e}", "41: unknown key `databse` in `warehouses.x`"),
        ("{type: postgres, url: 'postgresql://a:c4nary@b'}", "31: `warehouses.x.url` must not hold a password"),
    ],
)
def test_each_fault_of_a_warehouse_is_told(faults, entry, expected):
    """Warehouses are judged like the rest."""
    (found,) = faults({"tailrace.yml": f"warehouses:\n     x: {entry}\n", "syncs/people.yml": None})
    assert found.startswith(f"tailrace.yml:2:{expected}")
    assert "c4nary" not in found


def test_a_name_that_is_no_name_is_found_at_its_key(faults):
    """Names of destinations and warehouses become parts of commands and paths."""
    (found,) = faults({"tailrace.yml": "warehouses:\n  a b: {type: duckdb, path: x}\n", "syncs/people.yml": None})
    assert found.startswith("tailrace.yml:2:3: the name `warehouses.a b` should be a name")


def test_the_warehouse_may_be_left_out_only_when_there_is_one(load, faults):
    """With two of them, guessing would read the wrong one."""
    none = "destinations: {sales: {type: crm}}\n"
    config = "warehouses: {main: {type: duckdb, path: a}, side: {type: duckdb, path: b}}\n" + none
    assert faults({"tailrace.yml": config}) == ["syncs/people.yml:1:1: `warehouse` is missing; name one of main, side"]
    named = load({"tailrace.yml": config, "syncs/people.yml": sync(warehouse="side")})
    assert named.syncs["people"].warehouse == "side"
    assert faults({"tailrace.yml": none, "syncs/people.yml": sync()}) == [
        "syncs/people.yml:1:1: `warehouse` is missing; tailrace.yml has none"
    ]


def test_a_broken_project_file_raises_no_false_alarm_about_syncs(faults):
    """Without it nobody knows which destinations exist, so none is called missing."""
    assert [line.split(":")[0] for line in faults({"tailrace.yml": "a: [", "syncs/people.yml": sync()})] == [
        "tailrace.yml"
    ]


def test_match_is_asked_for_only_where_the_adapter_needs_it(load, faults):
    """An append, or an adapter that takes rows without it, has no use for match."""
    for text in (sync(mode="append", match=None), sync(destination="trail", match=None)):
        assert load({"syncs/people.yml": text}).syncs["people"].config.match == {}


def test_circles_of_after_are_shown_whole(faults):
    """Each circle once, with the way it goes; a sync that waits for itself is one too."""
    found = faults(
        {
            "syncs/a.yml": sync(schedule="{after: [b]}"),
            "syncs/b.yml": sync(schedule="{after: [people, c]}"),
            "syncs/c.yml": sync(schedule="{after: [a]}"),
            "syncs/d.yml": sync(schedule="{after: [d, a]}"),
        }
    )
    assert found == [
        "syncs/a.yml:8:20: `schedule.after` goes in a circle: a after b after c after a",
        "syncs/d.yml:8:20: `schedule.after` goes in a circle: d after d",
    ]


def test_a_broken_parent_is_still_a_parent(faults):
    """Its own fault is told, not that it were missing."""
    found = faults({"syncs/a.yml": sync(schedule="{after: [b]}"), "syncs/b.yml": "x"})
    assert [line.split(":")[0] for line in found] == ["syncs/b.yml"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"models/people.sql": "-- nothing yet\n/* at all */ ;\n"}, "models/people.sql: the model is empty"),
        ({"models/people.sql": b"select '\xff'"}, "models/people.sql:1:9: the file is not UTF-8"),
        ({"models/people.sql": "select 1\0"}, "models/people.sql:1:9: the control character U+0000"),
        ({"models/people.sql": b"x" * (1 << 20) + b"x"}, "models/people.sql: the file is over 1 MiB"),
        ({"models/people.sql": None}, "syncs/people.yml:1:8: there is no model `people`; the project has no model"),
        ({"syncs/people.yml": ""}, "syncs/people.yml: the file is empty"),
        ({"syncs/people.yml": "- a"}, "syncs/people.yml:1:1: should hold a mapping"),
        ({"tailrace.yml": "null", "syncs/people.yml": None}, "tailrace.yml:1:1: should hold a mapping"),
        ({"syncs/per son.yml": sync()}, "syncs/per son.yml: a sync's name"),
        ({"syncs/People.yaml": sync()}, "syncs/people.yml: the sync has this name already"),
        ({"syncs/more/x.yml": sync()}, "syncs/more/x.yml: sync files stand in syncs/ itself"),
    ],
)
def test_files_that_cannot_be_used_are_problems(faults, files, expected):
    """Missing, empty, foreign or misplaced: each says so."""
    (found,) = faults(files)
    assert found.startswith(expected)


def test_a_model_of_many_comments_is_told_from_an_empty_one(load, faults):
    """A pattern that tries every split of the comments would never come back."""
    comments = "/* x */ -- y\n" * 5000
    assert load({"models/people.sql": comments + "select 1"}).syncs["people"].sql.endswith("select 1")
    assert faults({"models/people.sql": comments})[0].startswith("models/people.sql: the model is empty")


def test_other_files_are_left_alone(load):
    """Notes, hidden files and unused models are nobody's business."""
    extra = {"syncs/README.md": "x", "syncs/.hidden.yml": "[", "models/unused.sql": "", "syncs/two.yaml": sync()}
    assert list(load(extra).syncs) == ["people", "two"]


def test_models_may_stand_in_folders(load):
    """`marts/people` is models/marts/people.sql."""
    files = {"models/marts/people.sql": "select 2", "syncs/people.yml": sync(model="marts/people")}
    assert load(files).syncs["people"].sql == "select 2"


def test_links_out_of_the_project_are_refused(faults, tmp_path, tmp_path_factory):
    """A model must not read /etc/passwd by way of a link; a loop of links is no crash."""
    outside = tmp_path_factory.mktemp("outside") / "x.sql"
    outside.write_text("select 1")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/linked.sql").symlink_to(outside)
    (tmp_path / "models/loop.sql").symlink_to(tmp_path / "models/loop.sql")
    found = faults({"syncs/a.yml": sync(model="linked"), "syncs/b.yml": sync(model="loop")})
    assert found[0].startswith("models/linked.sql: the file leads out of the project")
    assert found[1].startswith("models/loop.sql: the file cannot be read")


def test_a_folder_in_a_files_place_is_a_problem(faults, tmp_path):
    """Not a traceback."""
    (tmp_path / "models/odd.sql").mkdir(parents=True)
    assert faults({"syncs/people.yml": sync(model="odd")}) == ["models/odd.sql: this is not a regular file"]


def test_a_broken_adapter_is_its_own_problem(write, fakes, monkeypatch):
    """Another adapter's syncs are judged as ever."""

    class Entry:
        def __init__(self, name, load):
            self.name, self.load = name, load

    def fail():
        raise ImportError("no module named 'vendor'")

    entries = [Entry("bad", fail), Entry("odd", dict), *(Entry(n, lambda p=p: p) for n, p in fakes.plugins.items())]
    monkeypatch.setattr("tailrace.project.adapters.entry_points", lambda group: entries)
    with pytest.raises(ProjectError) as caught:
        load_project(
            write({"tailrace.yml": "destinations:\n  x: {type: bad}\n  y: {type: odd}\n  sales: {type: crm}\n"})
        )
    messages = [problem.message for problem in caught.value.problems]
    assert "the adapter bad cannot be loaded: ImportError: no module named 'vendor'" in messages
    assert any("names no Plugin" in message for message in messages)


def test_an_adapter_whose_model_crashes_is_a_problem(write, fakes):
    """A third party's bug must not show a traceback, nor the values it was judging."""

    class Crash(fakes.crm):
        @pydantic.model_validator(mode="before")
        @classmethod
        def crash(cls, value):
            raise RuntimeError(f"c4nary {value}")

    broken = dataclasses.replace(fakes.plugins["crm"], config=Crash)
    with pytest.raises(ProjectError) as caught:
        load_project(write(), plugins={**fakes.plugins, "crm": broken})
    assert "the adapter crm failed to judge this entry: RuntimeError" in str(caught.value)
    assert "c4nary" not in str(caught.value)


def test_a_file_full_of_unknown_keys_is_cut_off(faults):
    """Suggestions are looked for a hundred times, not ten thousand."""
    found = faults({"syncs/people.yml": sync() + "".join(f"key{n}: 1\n" for n in range(5000))})
    assert len(found) == 101


def test_files_are_named_as_the_user_named_the_folder(write, monkeypatch, fakes):
    """From inside the project, paths are relative, so that editors and terminals can follow them."""
    monkeypatch.chdir(write({"syncs/people.yml": sync(mode="x")}))
    with pytest.raises(ProjectError) as caught:
        load_project(plugins=fakes.plugins)
    assert str(caught.value).startswith("syncs/people.yml:4:7: ")


def test_the_views_of_a_sync(load):
    """Projection, diff and lookups are read off the mapping."""
    fields = (
        "{a: x, b: {column: y, nulls: skip}, c: {value: 1, write: create}, d: {sql: z, write: empty},"
        " e: {lookup: Account, by: No, column: acc}, g: {lookup: O, by: No, label: Boss, column: o},"
        " h: {lookup: O, by: No, primary: true, column: o}}"
    )
    people = load({"syncs/people.yml": sync(key="[id, part]", fields=fields)}).syncs["people"]
    assert people.projection().names == ("k:id", "k:part", "m:ext", "f:a", "f:b", "f:c", "f:d", "f:e", "f:g", "f:h")
    assert people.lookups() == {
        "e": Lookup("Account", "No"),
        "g": Lookup("O", "No", label="Boss"),
        "h": Lookup("O", "No", primary=True),
    }
    assert people.diff_spec({"ext", "other"}) == DiffSpec(
        key=("id", "part"),
        match=("ext",),
        fields=("a", "b", "c", "d", "e", "g", "h"),
        skip_nulls=frozenset({"b"}),
        create_only=frozenset({"c"}),
        fill_empty=frozenset({"d"}),
        fold_match=frozenset({"ext"}),
    )


def test_an_escaped_reference_is_unescaped_once(load):
    """However deep it stands, `$${` means `${`: a second pass would take it for a reference."""
    fields = '{short: "$${env:A}", long: {value: "$${env:A}"}}'
    people = load({"syncs/people.yml": sync(object='"$${env:A}"', fields=fields)}).syncs["people"]
    assert people.config.object == "${env:A}"
    assert people.config.fields["short"].column == "${env:A}"
    assert people.config.fields["long"].value == "${env:A}"


SAME = {
    "layout": sync(key="[id]", fields="{name: {column: name}}"),
    "defaults": sync() + "guards: {max_deletes: 15%}\non_unknown: hold\nturbo: false\n",
    "words": sync() + "description: other words\ntags: [x]\nschedule: {every: 1h}\n",
    "operating": sync() + "paused: true\ntimeout: 1h\nfreshness: 2h\nalerts: {rejected: 5}\n",
    "warehouse": sync(warehouse="main"),
}
OTHER = {
    "mode": sync(mode="update"),
    "object": sync(object="Other"),
    "match": sync(match="{ext2: id}"),
    "field": sync(fields="{name: name2}"),
    "constant": sync(fields="{name: {value: '1'}}"),
    "nulls": sync(fields="{name: {column: name, nulls: skip}}"),
    "guard share": sync(guards="{max_changes: 100%}"),
    "guard rows": sync(guards="{max_changes: 1}"),
    "option": sync(turbo="true"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_the_definition_hash_keeps_when_the_meaning_keeps(load, text):
    """Comments, layout, defaults written out, and when it runs do not change what a run does."""
    before = load({"syncs/people.yml": sync()}).syncs["people"].definition_hash
    changed = load({"syncs/people.yml": "# note\n" + text, "models/people.sql": "select 1 as id, 'a' as name\r\n\n"})
    assert changed.syncs["people"].definition_hash == before


def test_the_definition_hash_is_what_it_was(load):
    """Or each upgrade would make all saved plans stale."""
    found = load({"syncs/people.yml": sync()}).syncs["people"].definition_hash
    assert found == "8d1e8e5aa338a93c6899d953fb3f2c24740864acb3f3d458085ec572567f7d60"


def test_the_definition_hash_changes_with_the_meaning(load):
    """Each difference gives a hash of its own; so does the SQL."""
    hashes = {load({"syncs/people.yml": text}).syncs["people"].definition_hash for text in (sync(), *OTHER.values())}
    hashes.add(
        load({"syncs/people.yml": sync(), "models/people.sql": "select 2 as id"}).syncs["people"].definition_hash
    )
    assert len(hashes) == len(OTHER) + 2
