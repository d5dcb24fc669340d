"""Snapshots in BigQuery, which has no transaction for them: what happens between two statements; and who may do it."""

import datetime as dt
from types import SimpleNamespace

import pytest
from google.api_core.exceptions import Forbidden
from google.cloud.bigquery import QueryJobConfig, SchemaField
from hypothesis import HealthCheck, Phase, given, settings
from tests.unit.pushdown.google import Client
from tests.unit.pushdown.test_conformance import generations, walk
from tests.unit.pushdown.test_words import IDENTITY, SPEC, Bench, delivered

from tailrace.errors import SnapshotError, WarehouseError
from tailrace.pushdown import bigquery as desks
from tailrace.pushdown.bigquery import BigQueryDesk
from tailrace.pushdown.commit import Commit
from tailrace.pushdown.rights import missing
from tailrace.pushdown.store import WarehouseStore
from tailrace.warehouses.bigquery import BigQueryWarehouse
from tailrace.warehouses.dialects import Dialect

ONE = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], max_examples=2)


@pytest.fixture
def bench(bigquery, tmp_path):
    """A sync whose first run is in its snapshot."""
    made = Bench(bigquery, tmp_path)
    made.run("SELECT 1 AS id, 'a' AS v")
    return made


def values(bench):
    """What the snapshot has now."""
    return bench.store.open(IDENTITY).frame()["f:v"].to_list()


def between(monkeypatch, act):
    """Have another do something after a run has written its rows, and before it makes them known."""
    run = Commit.run

    def both(self, desk):
        monkeypatch.setattr(Commit, "run", run)
        manifest = run(self, desk)
        act()
        return manifest

    monkeypatch.setattr(Commit, "run", both)


@pytest.mark.slow
def test_of_two_that_write_at_once_the_second_is_refused(bench, monkeypatch):
    """Though both saw the same revision when they began to write."""
    known = bench.store.open(IDENTITY)
    mine, _ = bench.compare("SELECT 1 AS id, 'mine' AS v")
    theirs, _ = bench.compare("SELECT 1 AS id, 'theirs' AS v")
    between(monkeypatch, lambda: bench.store.commit(known, delivered(theirs, SPEC), "theirs"))
    with pytest.raises(SnapshotError, match="changed by another run"):
        bench.store.commit(known, delivered(mine, SPEC), "mine")
    assert values(bench) == ["theirs"]


@pytest.mark.slow
def test_a_snapshot_that_was_begun_anew_meanwhile_is_left_alone(bench, monkeypatch):
    """Though it has come as far as the one that the run planned on."""
    known = bench.store.open(IDENTITY)
    mine, _ = bench.compare("SELECT 1 AS id, 'mine' AS v")

    def anew():
        bench.store.forget(IDENTITY)
        bench.run("SELECT 2 AS id, 'anew' AS v")
        assert bench.store.open(IDENTITY).revision == known.revision

    between(monkeypatch, anew)
    # Its own table went with the old snapshot, or it finds that the new one is another.
    with pytest.raises((SnapshotError, WarehouseError)):
        bench.store.commit(known, delivered(mine, SPEC), "mine")
    assert values(bench) == ["anew"]


@pytest.mark.slow
def test_a_manifest_of_the_same_revision_is_told_by_its_table(bench):
    """The statement that makes rows known looks for the very manifest that was planned on."""
    known = bench.store.open(IDENTITY)
    bench.store.forget(IDENTITY)
    bench.run("SELECT 2 AS id, 'anew' AS v")
    assert bench.store.open(IDENTITY).revision == known.revision
    with bench.warehouse.desk(write=True) as desk, pytest.raises(SnapshotError, match="changed by another run"):
        bench.store.save(desk, known, known.manifest)
    assert values(bench) == ["anew"]


@pytest.mark.slow
def test_whoever_reads_a_snapshot_while_it_is_replaced_reads_on(bench):
    """The table that was before stays for a day."""
    known = bench.store.open(IDENTITY)
    bench.run("SELECT 1 AS id, 'b' AS v")
    assert known.frame()["f:v"].to_list() == ["a"]
    assert values(bench) == ["b"]
    with bench.warehouse.desk(write=False) as desk:
        table = desk._client.get_table(f"conformance.values.{known.manifest.table}")
    left = table.expires - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=23) < left < dt.timedelta(hours=25)


@pytest.mark.slow
def test_what_attempts_left_is_dropped_after_a_day_and_nothing_that_is_known(bench, monkeypatch):
    """A run that sleeps before it tidies up does not take away what another has made known meanwhile."""
    stale = f"snapshot_{IDENTITY.digest}_dead"
    with bench.warehouse.desk(write=True) as desk:
        desk.run(f"CREATE TABLE `values`.{stale} (k0 INT64)")
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    late = WarehouseStore(bench.warehouse, "values", work=bench.root / "work", clock=lambda: tomorrow)
    known = bench.store.open(IDENTITY)
    mine, _ = bench.compare("SELECT 1 AS id, 'mine' AS v")
    swept = WarehouseStore._swept

    def sleeping(self, before, now):
        monkeypatch.setattr(WarehouseStore, "_swept", swept)
        bench.run("SELECT 1 AS id, 'theirs' AS v")
        with bench.warehouse.desk(write=False) as desk:
            assert desk.has_table("values", stale), "it is too young to be nobody's"
        swept(self, before, now)

    monkeypatch.setattr(WarehouseStore, "_swept", sleeping)
    late.commit(known, delivered(mine, SPEC), "mine")
    assert values(bench) == ["theirs"]
    with bench.warehouse.desk(write=False) as desk:
        assert not desk.has_table("values", stale)


@pytest.mark.slow
def test_many_rows_go_in_and_out_by_load_jobs(bench, monkeypatch):
    """One for each statement of each run, whatever is in the values."""
    put, loaded = BigQueryDesk._put, []
    monkeypatch.setattr(desks, "INLINE_ROWS", 2)
    monkeypatch.setattr(BigQueryDesk, "_put", lambda desk, name, texts: (loaded.append(texts), put(desk, name, texts)))
    many = "SELECT i AS id, {} AS v FROM unnest(generate_array(1, 5)) AS i"
    bench.run(many.format("concat('é\\0', cast(i as string))"))
    bench.run(many.format("'b'"))
    assert [texts.height for texts in loaded] == [5] * 4
    assert [texts.columns == ["t0"] for texts in loaded] == [True, False] * 2  # keys to leave, rows to enter
    assert values(bench) == ["b"] * 5
    assert sum(bench.compare(many.format("'b'"))[0].counts.values()) == 0


@pytest.mark.slow
@ONE
@given(steps=generations())
def test_values_that_load_jobs_put_down_are_those_that_were_given(bigquery, steps):
    """As the same values are that go with a statement; and nothing of them is left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desks, "INLINE_ROWS", 0)
        walk(bigquery, steps)
    with bigquery.desk(write=False) as desk:
        assert desk.listed("own_schema", "tailrace_given_") == {}
        assert desk.listed("main_data", "tailrace_given_") == {}


def stubbed(*, there=True, denied=(), who="ann@acme.io", expires=None):
    """A desk of a client that refuses to judge some statements."""

    def answer(sql, _parameters):
        return [(who,)] if "SESSION_USER" in sql else []

    client = Client(answer, [SchemaField("c0", "STRING")])
    client.there, client.expires = lambda: there, expires
    query = client.query

    def judged(sql, job_config):
        if job_config.dry_run and sql.startswith(denied):
            raise Forbidden("Access Denied", errors=[{"reason": "accessDenied"}])
        return query(sql, job_config)

    client.query = judged
    dialect = Dialect("bigquery", lambda name: name)
    return BigQueryDesk(client, None, dialect, lambda what, error: WarehouseError(f"{what}: {error}"), job, write=True)


def job(*, dry_run=False):
    """Settings of a job."""
    return QueryJobConfig(dry_run=dry_run)


ANN = 'GRANT `roles/bigquery.dataEditor` ON SCHEMA `tailrace` TO "user:ann@acme.io";'


def test_rights_that_are_missing_are_statements():
    """Judged by dry runs: a data set that cannot be made, and one that cannot be written to."""
    assert missing(stubbed(), "tailrace") == []
    assert missing(stubbed(there=False), "tailrace") == []
    assert missing(stubbed(there=False, denied=("CREATE SCHEMA",)), "tailrace") == ["CREATE SCHEMA `tailrace`;", ANN]
    assert missing(stubbed(denied=("CREATE TABLE",)), "tailrace") == [ANN]
    robot = stubbed(denied=("CREATE TABLE",), who="x@acme.iam.gserviceaccount.com")
    assert 'TO "serviceAccount:x@acme.iam.gserviceaccount.com";' in missing(robot, "tailrace")[0]


def test_a_table_of_ours_that_may_not_be_changed_is_found():
    """What it says of rights counts, too."""
    desk = stubbed()
    desk._client.tables = lambda: [SimpleNamespace(table_id="tailrace_snapshots_1_2", created=None)]
    held = ["bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.delete"]
    desk._client.test_iam_permissions = lambda _table, _asked: {"permissions": held}
    assert missing(desk, "tailrace") == []
    held.pop()
    assert missing(desk, "tailrace") == [ANN]


def test_a_data_set_that_drops_its_tables_holds_no_snapshots():
    """It would forget what was sent, and all would be sent again."""
    desk = stubbed(expires=60 * 86_400_000)
    told = "ALTER SCHEMA `tailrace` SET OPTIONS (default_table_expiration_days = NULL);"
    assert missing(desk, "tailrace") == [told]
    with pytest.raises(WarehouseError, match="after 60 days") as caught:
        desk.has_table("tailrace", "tailrace_snapshots_1_2")
    assert caught.value.hint == told


def test_a_refusal_for_want_of_rights_says_where_to_find_out_which():
    """And what it says is no secret; other refusals may quote a row."""
    warehouse = BigQueryWarehouse.__new__(BigQueryWarehouse)
    warehouse._name, warehouse._engine = "bq", SimpleNamespace(dialect=SimpleNamespace(name="bigquery"))
    refused = Forbidden("Access Denied: Dataset tailrace", errors=[{"reason": "accessDenied"}])
    told = warehouse._told("writing the snapshot failed", refused)
    assert "Access Denied: Dataset tailrace" in str(told.discreet)
    assert "tailrace check" in told.hint
    spent = warehouse._told("writing the snapshot failed", Forbidden("Quota", errors=[{"reason": "quotaExceeded"}]))
    assert "tailrace check" not in spent.hint
