"""Bulk API 2.0 ingest jobs: their states, their CSV, their results."""

import csv
import io
import json
from functools import partial

import pytest

from tailrace.sandbox import SandboxServer
from tailrace.sandbox.options import SalesforceOptions
from tailrace.sandbox.running import load_state, save_state
from tailrace.sandbox.salesforce import Salesforce

UPSERT = {"object": "Contact", "operation": "upsert", "externalIdFieldName": "External_Id__c"}
CSV = {"Content-Type": "text/csv"}
JOBS = "/jobs/ingest"


@pytest.fixture
def job(force):
    """Drive a job: open, upload, start, poll; every step can be left out."""
    return partial(Driven, force)


class Driven:
    """One job and the requests about it."""

    def __init__(self, force, data=None, *, start=True, **order):
        self.force = force
        answer = force.post(JOBS, json=UPSERT | order)
        assert answer.status_code == 200, answer.text
        self.id = answer.json()["id"]
        if data is not None:
            body = data if isinstance(data, bytes) else data.encode()
            self.uploaded = force.put(f"{JOBS}/{self.id}/batches", content=body, headers=CSV)
            self.started = self.patch("UploadComplete") if start else None

    def patch(self, state):
        """Change the state."""
        return self.force.patch(f"{JOBS}/{self.id}", json={"state": state})

    def info(self):
        """Poll once."""
        return self.force.get(f"{JOBS}/{self.id}").json()

    def end(self):
        """Poll until it ended."""
        for _ in range(50):
            info = self.info()
            if info["state"] in {"JobComplete", "Failed", "Aborted"}:
                return info
        raise AssertionError(info)

    def rows(self, kind, delimiter=","):
        """One of the results, as dicts."""
        answer = self.force.get(f"{JOBS}/{self.id}/{kind}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/csv"
        return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), delimiter=delimiter))


def kept(server, object="Contact"):
    """What the org keeps, by external id."""
    return {record["External_Id__c"]: record for record in server.control.salesforce.records(object)}


def refusal(answer):
    """The status and code of a refused request."""
    return answer.status_code, answer.json()[0]["errorCode"]


def test_the_way_of_a_job(job, server):
    """Open, UploadComplete, InProgress for as many polls as the options say, JobComplete; rows are written."""
    made = job("External_Id__c,LastName\na,Roe\nb,\n")
    assert made.uploaded.status_code == 201
    assert made.uploaded.content == b""
    assert made.id.startswith("750")
    assert made.started.json()["state"] == "UploadComplete"
    assert made.info()["state"] == "InProgress"
    ended = made.info()
    assert (ended["state"], ended["numberRecordsProcessed"], ended["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    done, refused = made.rows("successfulResults"), made.rows("failedResults")
    assert list(done[0]) == ["sf__Id", "sf__Created", "External_Id__c", "LastName"]
    assert (done[0]["sf__Id"], done[0]["sf__Created"]) == (kept(server)["a"]["Id"], "true")
    words = "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
    assert refused == [{"sf__Id": "", "sf__Error": words, "External_Id__c": "b", "LastName": ""}]
    assert made.rows("unprocessedrecords") == []


def test_an_open_job_shows_where_to_upload(force):
    """The answer to a new job names its state, its defaults and the URL of its data."""
    made = force.post(JOBS, json=UPSERT).json()
    assert (made["state"], made["lineEnding"], made["columnDelimiter"]) == ("Open", "LF", "COMMA")
    assert made["contentUrl"] == f"services/data/v62.0/jobs/ingest/{made['id']}/batches"
    assert [each["id"] for each in force.get(JOBS).json()["records"]] == [made["id"]]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"object": "Nope"}, "INVALIDENTITY"),
        ({"object": "User"}, "INVALIDENTITY"),
        ({"operation": "merge"}, "INVALIDJOB"),
        ({"externalIdFieldName": "Phone"}, "INVALIDJOB"),
        ({"externalIdFieldName": None}, "INVALIDJOB"),
        ({"columnDelimiter": "SPACE"}, "INVALIDJOB"),
        ({"lineEnding": "CR"}, "INVALIDJOB"),
        ({"operation": ["insert"]}, "INVALIDJOB"),
        ({"object": ["Contact"]}, "INVALIDENTITY"),
        ({"operation": "hardDelete"}, "FEATURENOTENABLED"),
        ({"assignmentRuleId": "01Q000000000001"}, "INVALIDJOB"),
        ({"colour": "red"}, "JSON_PARSER_ERROR"),
    ],
)
def test_orders_that_are_refused(force, order, code):
    """A job that cannot be is refused when it is made."""
    assert refusal(force.post(JOBS, json=UPSERT | order)) == (400, code)


def test_states_go_one_way(job):
    """One upload a job, none after the start; no start without data; nothing changes a job that ended."""
    made = job()
    assert refusal(made.patch("UploadComplete")) == (400, "INVALIDJOBSTATE")
    assert refusal(made.patch("InProgress")) == (400, "INVALIDJOB")
    assert refusal(made.patch(["Aborted"])) == (400, "INVALIDJOB")
    put = partial(made.force.put, f"{JOBS}/{made.id}/batches", content=b"External_Id__c,LastName\na,Roe\n")
    assert put(headers={"Content-Type": "application/json"}).status_code == 400
    assert refusal(made.force.get(f"{JOBS}/{made.id}/failedResults")) == (400, "INVALIDJOBSTATE")
    assert put(headers=CSV).status_code == 201
    assert refusal(put(headers=CSV)) == (400, "INVALIDJOBSTATE")
    assert made.patch("UploadComplete").status_code == 200
    assert refusal(made.patch("UploadComplete")) == (400, "INVALIDJOBSTATE")
    made.end()
    assert refusal(made.force.get(f"{JOBS}/{made.id}/failedResults?locator=x")) == (400, "INVALIDQUERYLOCATOR")
    assert made.force.get(f"{JOBS}/{made.id}/otherResults").status_code == 404
    assert refusal(made.patch("Aborted")) == (400, "INVALIDJOBSTATE")


def test_a_job_that_is_deleted_is_gone(job):
    """A job that works stays; afterwards it can be deleted and is 404."""
    made = job("External_Id__c,LastName\na,Roe\n")
    path = f"{JOBS}/{made.id}"
    assert made.info()["state"] == "InProgress"
    assert refusal(made.force.delete(path)) == (400, "INVALIDJOBSTATE")
    made.end()
    assert made.force.delete(path).status_code == 204
    assert refusal(made.force.get(path)) == (404, "NOT_FOUND")
    assert refusal(made.force.get(f"{JOBS}/x")) == (404, "NOT_FOUND")


def test_an_aborted_job_writes_nothing(job, server):
    """An open job that is aborted has its rows unprocessed, and none written."""
    made = job("External_Id__c,LastName\na,Roe\n", start=False)
    assert made.patch("Aborted").json()["state"] == "Aborted"
    assert made.end()["state"] == "Aborted"
    assert [row["External_Id__c"] for row in made.rows("unprocessedrecords")] == ["a"]
    assert made.rows("successfulResults") == []
    assert kept(server) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("External_Id__c,Nope__c\na,x\n", "Field name not found : Nope__c"),
        ("External_Id__c,Account.Nope__c\na,x\n", "Field name not found : Account.Nope__c"),
        (
            "External_Id__c,Contact:Account.External_Id__c\na,x\n",
            "Field name not found : Contact:Account.External_Id__c",
        ),
        ("LastName\nRoe\n", "Field name not found : External_Id__c"),
        ("External_Id__c,LastName,lastname\na,x,y\n", "Duplicate column"),
        ("External_Id__c,LastName\r\na,Roe\r\n", "LineEnding is invalid on user data"),
        ('External_Id__c,LastName\na,"Roe" x\n', "Failed to parse CSV"),
        (b"External_Id__c,LastName\na,Zo\xeb\n", "not UTF-8"),
        ("", "Unable to find any header row"),
    ],
)
def test_files_that_fail_the_job(job, server, text, words):
    """A file that does not fit fails its job as a whole, with the vendor's words; nothing is written."""
    ended = job(text).end()
    assert ended["state"] == "Failed"
    assert words in ended["errorMessage"]
    assert kept(server) == {}


def test_results_of_a_bad_header_carry_what_matched(job):
    """The rows of a job that failed for its header are unprocessed, without the column that matched nothing."""
    made = job("External_Id__c,Nope__c\na,x\n")
    made.end()
    assert made.rows("unprocessedRecords") == [{"External_Id__c": "a"}]


def test_cells(job, server):
    """Empty leaves a field, #N/A clears it; booleans take their many forms; quoted line breaks and U+2028 stay."""
    text = 'one, "two"\nthree\u2028four\r\nfive'
    quoted = text.replace('"', '""')
    head = "external_id__C,LASTNAME,Notes__c,Active__c,LTV__c\n"
    job(f'{head}a,Zoë,"{quoted}",Yes,1.50\nb,Roe,,0,\n').end()
    first = kept(server)["a"]
    assert (first["LastName"], first["Notes__c"], first["Active__c"], first["LTV__c"]) == ("Zoë", text, True, 1.5)
    made = job(f"{head}a,,#N/A,,\nb,,,#N/A,\n")
    made.end()
    after = kept(server)["a"]
    assert (after["LastName"], after["Notes__c"], after["LTV__c"]) == ("Zoë", None, 1.5)
    assert made.rows("failedResults")[0]["sf__Error"].startswith("INVALID_TYPE_ON_FIELD_IN_RECORD:")
    assert "External_Id__c" in made.rows("successfulResults")[0]


@pytest.mark.parametrize(("name", "letter"), [("SEMICOLON", ";"), ("TAB", "\t"), ("BACKQUOTE", "`")])
def test_delimiters_and_line_endings(job, server, name, letter):
    """Files and results use the job's delimiter and line ending."""
    made = job(f"External_Id__c{letter}LastName\r\na{letter}Roe, Ann\r\n", columnDelimiter=name, lineEnding="CRLF")
    made.end()
    assert made.rows("successfulResults", letter)[0]["LastName"] == "Roe, Ann"
    assert kept(server)["a"]["LastName"] == "Roe, Ann"


def test_relationships(job, upsert, server):
    """A parent is named by its key, with its type stated or not; #N/A in the plain field clears it."""
    account = upsert({"External_Id__c": "a-7", "Name": "Acme"}, object="Account")[0]["id"]
    job("External_Id__c,LastName,account.external_id__c\na,Roe,A-7\nb,Poe,\n").end()
    assert [kept(server)[key]["AccountId"] for key in "ab"] == [account, None]
    made = job("External_Id__c,Account:Account.External_Id__c,AccountId\na,,#N/A\nb,a-7,\nc,none,\nd,a-7,#N/A\n")
    made.end()
    assert [kept(server)[key]["AccountId"] for key in "ab"] == [None, account]
    assert "Account:Account.External_Id__c" in made.rows("successfulResults")[0]
    errors = {row["External_Id__c"]: row["sf__Error"] for row in made.rows("failedResults")}
    words = "Foreign key external ID: none not found for field External_Id__c in entity Account"
    assert errors["c"] == f"INVALID_FIELD:{words}:--"
    assert "both an external ID reference and a salesforce id" in errors["d"]


def test_insert_update_delete(job, server):
    """The other operations go by Id, and tell what is gone."""
    made = job("LastName,External_Id__c\nRoe,a\nPoe,a\n", operation="insert")
    made.end()
    record_id = made.rows("successfulResults")[0]["sf__Id"]
    assert made.rows("failedResults")[0]["sf__Error"].startswith("DUPLICATE_VALUE:")
    changed = job(f"Id,FirstName\n{record_id[:15]},Ann\n003A0000006Vm9rIAC,Bo\n", operation="update")
    changed.end()
    assert kept(server)["a"]["FirstName"] == "Ann"
    assert changed.rows("failedResults")[0]["sf__Error"] == "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
    assert job("Id,FirstName\nx,y\n", operation="delete").end()["state"] == "Failed"
    gone = job(f"Id\n{record_id}\n", operation="delete")
    gone.end()
    assert gone.rows("successfulResults")[0]["sf__Id"] == record_id
    again = job(f"Id\n{record_id}\n", operation="delete")
    again.end()
    assert again.rows("failedResults")[0]["sf__Error"].startswith("ENTITY_IS_DELETED:")


def test_the_same_key_twice_in_one_chunk(job, server):
    """Rows of one chunk of 200 that share a key are refused; a chunk later the key is just updated."""
    filler = "".join(f"f{n},x\n" for n in range(198))
    made = job(f"External_Id__c,LastName\na,1\nA,2\n{filler}f0,late\n")
    made.end()
    refused = made.rows("failedResults")
    assert {row["External_Id__c"] for row in refused} == {"a", "A"}
    assert all(row["sf__Error"].startswith("DUPLICATE_VALUE:Duplicate external id specified") for row in refused)
    assert kept(server)["f0"]["LastName"] == "late"


def test_results_come_in_an_order_of_their_own(job):
    """The order is not that of the file, and the same each time it is asked for."""
    names = [f"k{n:03}" for n in range(300)]
    made = job("External_Id__c,LastName\n" + "".join(f"{name},x\n" for name in names))
    assert made.end()["numberRecordsProcessed"] == 300
    told = [row["External_Id__c"] for row in made.rows("successfulResults")]
    assert told != names
    assert sorted(told) == names
    assert told == [row["External_Id__c"] for row in made.rows("successfulResults")]


def test_rows_and_jobs_told_to_fail(job, server):
    """A row fault hits its row; a job fault ends the job after some rows, the rest unprocessed."""
    control = server.control.salesforce
    control.fail_rows("Contact", "UNABLE_TO_LOCK_ROW", field="External_Id__c", values=["b"])
    made = job("External_Id__c,LastName\na,Roe\nb,Poe\n")
    made.end()
    assert made.rows("failedResults")[0]["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:")
    control.fail_jobs("Contact", rows=1, message="InternalServerError : sorry")
    made = job("External_Id__c,LastName\nc,Roe\nd,Poe\n")
    ended = made.end()
    assert (ended["state"], ended["errorMessage"]) == ("Failed", "InternalServerError : sorry")
    assert len(made.rows("successfulResults")) == len(made.rows("unprocessedrecords")) == 1
    assert set(kept(server)) == {"a", "c"}


def test_polls_count_and_can_fail(job, server):
    """Each poll is a request of the quota; a fault while polling leaves the job as it is."""
    control = server.control.salesforce
    control.limit(polls=3)
    made = job("External_Id__c,LastName\na,Roe\n")
    control.fail("jobs/ingest/750", method="GET", status=503)
    before = control.counters()["daily_used"]
    assert made.force.get(f"{JOBS}/{made.id}").status_code == 503
    assert [made.info()["state"] for _ in range(4)] == ["InProgress"] * 3 + ["JobComplete"]
    assert control.counters()["daily_used"] - before == 5
    control.limit(daily=1)
    made.info()
    assert refusal(made.force.get(f"{JOBS}/{made.id}")) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_jobs_outlive_the_sandbox(tmp_path, client):
    """With a state file, a job that was started goes on after a restart, and one that ended has its results."""
    options = {"salesforce": SalesforceOptions(job_polls=1000), "hubspot": False, "state": tmp_path / "state.json"}
    ids = []
    for _ in range(2):
        with SandboxServer(run_in="thread", **options) as server:
            force = Site(client, server.salesforce_url)
            if not ids:
                ids.append(Driven(force, "External_Id__c,LastName\na,Zoë\n").id)
                continue
            server.control.salesforce.limit(polls=0)
            assert force.get(f"{JOBS}/{ids[0]}").json()["state"] == "JobComplete"
            assert "Zoë" in force.get(f"{JOBS}/{ids[0]}/successfulResults").content.decode()
            assert list(kept(server)) == ["a"]


class Site:
    """Requests of one sandbox, with a token of its own."""

    def __init__(self, client, url):
        self._client = client
        self._base = f"{url}/services/data/v62.0"

    def __getattr__(self, method):
        return partial(self._send, method)

    def _send(self, method, path, headers=None, **kwargs):
        return self._client.request(
            method, self._base + path, headers={"Authorization": "Bearer x"} | (headers or {}), **kwargs
        )


def test_state_from_before_there_were_jobs(tmp_path):
    """A state file without jobs can still be read, and a new one has them."""
    path = tmp_path / "state.json"
    vendor = Salesforce(SalesforceOptions())
    save_state({"salesforce": vendor}, path)
    saved = json.loads(path.read_text())
    assert saved["vendors"]["salesforce"].pop("jobs/ingest") == {"last_number": 0, "jobs": []}
    path.write_text(json.dumps(saved))
    load_state({"salesforce": vendor}, path)
    assert vendor.jobs.dump()["jobs"] == []


def test_options_of_the_org(client):
    """Pages of results, the largest upload, hard delete and assignment rules follow the options."""
    options = SalesforceOptions(
        job_polls=0, result_rows=2, largest_upload=60, hard_delete=True, assignment_rules={"Contact": "Any"}
    )
    with SandboxServer(salesforce=options, hubspot=False, run_in="thread") as server:
        force = Site(client, server.salesforce_url)
        rules = force.get("/query", params={"q": "SELECT Id FROM AssignmentRule WHERE Active = TRUE"}).json()
        made = Driven(force, "External_Id__c,LastName\na,1\nb,2\nc,3\n", assignmentRuleId=rules["records"][0]["Id"])
        assert made.info()["state"] == "JobComplete"
        first = force.get(f"{JOBS}/{made.id}/successfulResults")
        second = force.get(f"{JOBS}/{made.id}/successfulResults", params={"locator": first.headers["Sforce-Locator"]})
        assert (first.text.count("\n"), second.text.count("\n"), second.headers["Sforce-Locator"]) == (3, 2, "null")
        assert refusal(Driven(force, "x" * 61, start=False).uploaded) == (400, "CLIENTINPUTERROR")
        record_id = made.rows("successfulResults")[0]["sf__Id"]
        assert Driven(force, f"Id\n{record_id}\n", operation="hardDelete").info()["numberRecordsFailed"] == 0
        assert record_id not in {r["Id"] for r in server.control.salesforce.records("Contact", archived=True)}
