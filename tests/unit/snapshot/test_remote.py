"""Snapshots in an object store, against an S3 server on this machine; what every storage keeps, for folders too."""

import io
import itertools
import logging
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection

import obstore
import polars as pl
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from tailrace import extras
from tailrace.canonical.source import ModelRows
from tailrace.changes import DiffSpec
from tailrace.diff.engine import diff
from tailrace.errors import SnapshotError, UsageError
from tailrace.snapshot import remote
from tailrace.snapshot.remote import PIECE, ObjectStorage, open_storage
from tailrace.snapshot.storage import LocalStorage
from tailrace.snapshot.store import Delivered, Identity, SnapshotStore

_numbers = itertools.count(1)


class Door:
    """Stands before the server: notes what is asked, and may answer in its place.

    The server looks at a condition and writes in two steps; one request at a time makes them one.
    """

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.asked = []
        self.answer = lambda environ, app: None

    def __call__(self, environ, start_response):
        with self.lock:
            self.asked.append(environ)
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
            given = self.answer(environ, self.app)
            if given is None:
                return self.app(environ, start_response)
            status, body = given
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]

    def methods(self):
        return [environ["REQUEST_METHOD"] for environ in self.asked]


@pytest.fixture(scope="module")
def server():
    """An S3 server on a free port of this machine."""
    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.ERROR)
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    running._server.app = Door(running._server.app)
    yield running
    running.stop()
    logger.setLevel(level)


@pytest.fixture
def door(server):
    """What stands before the server."""
    server._server.app.reset()
    return server._server.app


@pytest.fixture
def address(server, door, monkeypatch):
    """The address of an empty bucket, and an environment in which it is found."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "RETRIES", 0)
    bucket = f"bucket-{next(_numbers)}"
    with closing(HTTPConnection(*server.get_host_and_port())) as connection:
        connection.request("PUT", f"/{bucket}")
        assert connection.getresponse().status == HTTPStatus.OK
    door.reset()
    return f"s3://{bucket}/a prefix"


@pytest.fixture(params=["folder", "bucket"])
def opened(request, tmp_path):
    """Opens one and the same storage, as another program each time: no memory and no cache are shared."""
    if request.param == "folder":
        return lambda: LocalStorage(tmp_path / "store")
    address = request.getfixturevalue("address")
    return lambda: ObjectStorage(address, tmp_path / f"cache-{next(_numbers)}")


@pytest.fixture
def storage(opened):
    """A storage of either kind."""
    return opened()


@pytest.fixture
def bucket(address, tmp_path):
    """A storage in a bucket."""
    return ObjectStorage(address, tmp_path / "cache")


@pytest.fixture
def objects(address):
    """The bucket's objects, as somebody else gets at them."""
    return obstore.store.from_url(address, client_options={"allow_http": True})


@pytest.fixture
def made(tmp_path):
    """Makes a finished file."""

    def make(data):
        path = tmp_path / f"made-{next(_numbers)}"
        path.write_bytes(data)
        return path

    return make


def copies(root):
    """All files in a cache."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def flipped(data):
    """The data with one bit that is not what it was."""
    spoiled = bytearray(data)
    spoiled[len(data) // 2] ^= 1
    return bytes(spoiled)


def test_what_is_not_there_is_none(storage):
    """An absent name has no bytes and no file, is in no list, and removing it is no error."""
    assert storage.read("a/manifest") is None
    assert storage.local("a/file") is None
    assert storage.names("") == storage.names("a/") == []
    storage.remove(["a/file", "a/manifest"])


def test_bytes_are_read_back(opened):
    """What one program put in place, another one reads."""
    opened().replace("a/manifest", b"one\0", was=None)
    assert opened().read("a/manifest") == b"one\0"


def test_replace_goes_on_from_what_was_read(storage):
    """Each writes over what it has read, or has written itself."""
    storage.replace("a/manifest", b"one", was=None)
    storage.replace("a/manifest", b"two", was=b"one")
    assert storage.read("a/manifest") == b"two"
    storage.replace("a/manifest", b"", was=b"two")
    storage.replace("a/manifest", b"three", was=b"")
    assert storage.read("a/manifest") == b"three"


@pytest.mark.parametrize("was", [None, b"zero", b""])
def test_replace_refuses_what_it_was_not_made_for(storage, was):
    """Other bytes than those expected, or any where none were expected, stay."""
    storage.replace("a/manifest", b"one", was=None)
    with pytest.raises(SnapshotError, match="another run has saved it meanwhile"):
        storage.replace("a/manifest", b"two", was=was)
    assert storage.read("a/manifest") == b"one"


def test_replace_refuses_what_has_gone(opened):
    """A manifest that was removed since it was read does not come back."""
    storage = opened()
    storage.replace("a/manifest", b"one", was=None)
    opened().remove(["a/manifest"])
    with pytest.raises(SnapshotError, match="another run has saved it meanwhile"):
        storage.replace("a/manifest", b"two", was=b"one")
    assert storage.read("a/manifest") is None


def test_of_two_that_read_the_same_the_second_is_refused(opened):
    """Whoever writes second has to read again."""
    first, second = opened(), opened()
    first.replace("a/manifest", b"one", was=None)
    assert first.read("a/manifest") == second.read("a/manifest")
    first.replace("a/manifest", b"two", was=b"one")
    with pytest.raises(SnapshotError, match=r"a/manifest: another run has saved it meanwhile"):
        second.replace("a/manifest", b"other", was=b"one")
    second.replace("a/manifest", b"three", was=second.read("a/manifest"))
    assert first.read("a/manifest") == b"three"


def test_names_begin_with_the_prefix(storage, made):
    """A prefix may end within a name, and does not reach into folders that are called alike."""
    names = ["a/b", "a/bc", "a/c d#%41", "ab/c", "ü/x"]
    for name in names:
        storage.publish(name, made(b"1"))
    storage.replace("a/manifest", b"{}", was=None)
    assert storage.names("") == sorted([*names, "a/manifest"])
    assert storage.names("a/") == ["a/b", "a/bc", "a/c d#%41", "a/manifest"]
    assert storage.names("a/b") == ["a/b", "a/bc"]
    assert storage.names("b") == []


def test_what_was_removed_is_gone(opened, made):
    """A removed file is gone for everyone, its neighbours are not; names may come as an iterator."""
    storage = opened()
    for name in ("a/1", "a/2", "a/3"):
        storage.publish(name, made(b"1"))
    assert storage.local("a/1") is not None
    storage.remove(name for name in ("a/1", "a/none", "a/2"))
    assert storage.local("a/1") is None
    assert opened().names("") == ["a/3"]


@pytest.mark.parametrize("size", [0, 1, PIECE, 20 * 1024 * 1024])
def test_a_file_comes_back_whole(opened, made, size):
    """Whatever its size, and though its source is gone by then."""
    source = made(data := os.urandom(size))
    storage = opened()
    storage.publish("a/file", source)
    source.unlink()
    assert storage.local("a/file").read_bytes() == data
    assert opened().local("a/file").read_bytes() == data


def test_files_are_private(opened, made):
    """Nobody but their user may read the files, or list their folders."""
    opened().publish("a/file", made(b"1"))
    path = opened().local("a/file")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_missing_source_is_told(storage, tmp_path):
    """A file that cannot be read is an error as others are."""
    with pytest.raises(SnapshotError, match="No such file"):
        storage.publish("a/file", tmp_path / "nothing-here")


@pytest.mark.parametrize("first", [True, False])
def test_of_racing_writers_exactly_one_wins(address, tmp_path, first):
    """However many write over the same version at once, the bytes of one are kept, and only that one is told so."""
    writers = [ObjectStorage(address, tmp_path / "cache") for _ in range(4)]
    was = None if first else b"one"
    if was is not None:
        writers[0].replace("a/manifest", was, was=None)
    start = threading.Barrier(len(writers))

    def write(number):
        assert writers[number].read("a/manifest") == was
        start.wait()
        try:
            writers[number].replace("a/manifest", b"%d" % number, was=was)
        except SnapshotError as error:
            return "another run" not in error.message
        return b"%d" % number

    with ThreadPoolExecutor(len(writers)) as pool:
        answers = list(pool.map(write, range(len(writers))))
    won = [answer for answer in answers if answer is not False]
    assert won == [writers[0].read("a/manifest")]


def test_threads_may_share_a_storage(bucket, objects, tmp_path):
    """Threads that ask for one file at once all have it whole, and nothing half done is left."""
    objects.put("a/file", data := os.urandom(PIECE + 1))
    with ThreadPoolExecutor(6) as pool:
        assert all(path.read_bytes() == data for path in pool.map(bucket.local, ["a/file"] * 6))
    assert len(copies(tmp_path / "cache")) == 1


def test_a_copy_is_fetched_once(address, door, objects, tmp_path):
    """A second time, and in a later program, the store is only asked whether the file is still the same."""
    objects.put("a/file", b"data")
    first = ObjectStorage(address, tmp_path / "cache").local("a/file")
    door.reset()
    assert ObjectStorage(address, tmp_path / "cache").local("a/file") == first
    assert door.methods() == ["HEAD"]


def test_a_published_file_need_not_be_fetched(bucket, door, made):
    """Who has written a file has its copy already."""
    bucket.publish("a/file", made(b"data"))
    door.reset()
    assert bucket.local("a/file").read_bytes() == b"data"
    assert door.methods() == ["HEAD"]


def test_where_links_are_refused_a_published_file_is_fetched(bucket, made, monkeypatch):
    """A cache on another disk than the file costs a download, not the run."""
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    bucket.publish("a/file", made(b"data"))
    assert bucket.local("a/file").read_bytes() == b"data"


@pytest.mark.parametrize("data", [b"other", b"longer than before"])
def test_an_overwritten_object_is_seen(bucket, objects, tmp_path, data):
    """An object that another one took the place of is fetched anew, of whatever size; its old copy goes."""
    objects.put("a/file", b"first")
    bucket.local("a/file")
    objects.put("a/file", data)
    assert bucket.local("a/file").read_bytes() == data
    assert len(copies(tmp_path / "cache")) == 1


@pytest.mark.parametrize("spoil", [flipped, lambda data: data[:-1]], ids=["flipped", "shortened"])
def test_a_spoiled_copy_is_fetched_anew(bucket, objects, spoil):
    """Damage on our own disk heals by itself."""
    objects.put("a/file", b"data")
    path = bucket.local("a/file")
    path.write_bytes(spoil(b"data"))
    assert bucket.local("a/file").read_bytes() == b"data"


def test_copies_of_removed_objects_go(address, bucket, objects, tmp_path):
    """By whomever the object was removed, its copy goes with it, or when it is asked for next."""
    for name in ("a/1", "a/2", "a/3"):
        objects.put(name, b"data")
        bucket.local(name)
    bucket.remove(["a/1"])
    objects.delete("a/2")
    assert bucket.local("a/2") is None
    assert [path.parent.name for path in copies(tmp_path / "cache")] == ["3"]


def test_copies_that_nobody_asks_for_go(address, objects, tmp_path):
    """What was removed elsewhere does not fill the cache for ever; what is in use stays."""
    for name in ("a/1", "a/2", "a/3"):
        objects.put(name, b"data")
    storage = ObjectStorage(address, tmp_path / "cache")
    long_ago = (datetime.now(UTC) - remote.UNUSED - timedelta(days=1)).timestamp()
    for name in ("a/1", "a/2"):
        os.utime(storage.local(name), (long_ago, long_ago))
    later = ObjectStorage(address, tmp_path / "cache")
    later.local("a/2")
    later.local("a/3")
    assert [path.parent.name for path in copies(tmp_path / "cache")] == ["2", "3"]


def test_no_request_carries_more_than_a_piece(address, bucket, door, made, tmp_path):
    """Files go up and come down in pieces, so that none is ever in memory as a whole."""
    bucket.publish("a/file", made(os.urandom(20 * 1024 * 1024)))
    sent = [int(environ.get("CONTENT_LENGTH") or 0) for environ in door.asked]
    assert max(sent) == PIECE
    door.reset()
    ObjectStorage(address, tmp_path / "other").local("a/file")
    ranges = [environ.get("HTTP_RANGE") for environ in door.asked if environ["REQUEST_METHOD"] == "GET"]
    assert ranges == [f"bytes=0-{PIECE - 1}", f"bytes={PIECE}-{2 * PIECE - 1}", f"bytes={2 * PIECE}-20971519"]


def test_an_object_that_changes_while_it_is_read_is_read_again(bucket, door, objects):
    """Pieces of two versions are never put together."""
    objects.put("a/file", b"data")
    left = ["412 Precondition Failed", "404 Not Found"]

    def change(environ, app):
        return (left.pop(), b"<Error/>") if "HTTP_RANGE" in environ and left else None

    door.answer = change
    assert bucket.local("a/file").read_bytes() == b"data"
    assert left == []


def test_an_object_that_never_stands_still_is_told(bucket, door, objects, tmp_path):
    """It is given up after some attempts, and nothing is left of them."""
    objects.put("a/file", b"data")
    door.answer = lambda environ, app: ("412 Gone On", b"<Error/>") if "HTTP_RANGE" in environ else None
    with pytest.raises(SnapshotError, match="a/file changes while it is read"):
        bucket.local("a/file")
    assert copies(tmp_path / "cache") == []


def test_a_download_that_breaks_off_leaves_nothing(bucket, door, objects, tmp_path):
    """Half a file is no copy, and is fetched whole the next time."""
    objects.put("a/file", data := os.urandom(PIECE + 1))
    door.answer = lambda environ, app: (
        ("500 Internal Server Error", b"<Error/>")
        if environ.get("HTTP_RANGE", "").startswith("bytes=8388608")
        else None
    )
    with pytest.raises(SnapshotError, match=r"cannot read s3://bucket-[0-9]+/a prefix/a/file: .*500"):
        bucket.local("a/file")
    assert copies(tmp_path / "cache") == []
    door.reset()
    assert bucket.local("a/file").read_bytes() == data


@pytest.mark.parametrize("retries", [0, 1])
def test_a_write_whose_answer_was_lost_counts(address, door, tmp_path, monkeypatch, retries):
    """The store had written and the answer got lost: a repetition is refused, and yet it was our own write."""
    monkeypatch.setattr(remote, "RETRIES", retries)
    bucket = ObjectStorage(address, tmp_path / "cache")
    bucket.replace("a/manifest", b"one", was=None)
    door.reset()
    left = ["500 Internal Server Error"]

    def lose(environ, app):
        if environ["REQUEST_METHOD"] != "PUT" or not left:
            return None
        list(app(environ, lambda *_: None))
        return left.pop(), b"<Error/>"

    door.answer = lose
    bucket.replace("a/manifest", b"two", was=b"one")
    bucket.replace("a/manifest", b"three", was=b"two")
    assert bucket.read("a/manifest") == b"three"
    assert door.methods().count("PUT") == 2 + retries


def test_a_write_that_fails_is_told(bucket, door):
    """Where nothing was written the caller is told, and may try again."""
    bucket.replace("a/manifest", b"one", was=None)
    door.answer = lambda environ, app: ("500 Internal Server Error", b"<Error/>")
    with pytest.raises(SnapshotError, match=r"cannot write s3://bucket-[0-9]+/a prefix/a/manifest: .*500"):
        bucket.replace("a/manifest", b"two", was=b"one")
    door.reset()
    bucket.replace("a/manifest", b"two", was=b"one")


@pytest.mark.parametrize("ignored", ["HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"])
def test_a_store_that_ignores_conditions_is_refused(bucket, door, ignored):
    """Some servers take a condition and write all the same: they are found out before a manifest is written."""
    door.answer = lambda environ, app: environ.pop(ignored, None) and None
    with pytest.raises(SnapshotError, match="no conditional writes") as caught:
        bucket.replace("a/manifest", b"one", was=None)
    assert "keep snapshots in a folder" in caught.value.hint
    assert bucket.names("") == []


def test_a_store_that_knows_no_conditions_is_refused(bucket, door):
    """Others say that they do not do it."""
    door.answer = lambda environ, app: ("501 Not Implemented", b"<Error/>") if "HTTP_IF_NONE_MATCH" in environ else None
    with pytest.raises(SnapshotError, match="no conditional writes"):
        bucket.replace("a/manifest", b"one", was=None)


def test_conditions_switched_off_are_refused(address, tmp_path, monkeypatch):
    """The library can be told to do without; we cannot."""
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    with pytest.raises(SnapshotError, match="no conditional writes"):
        ObjectStorage(address, tmp_path).replace("a/manifest", b"one", was=None)


def test_a_missing_bucket_is_not_an_empty_one(address, tmp_path, made):
    """Without its bucket a snapshot cannot be told from one that was never made, so nothing is answered."""
    storage = ObjectStorage("s3://no-such-bucket/p", tmp_path)
    for ask in (
        lambda: storage.read("a/manifest"),
        lambda: storage.names("a/"),
        lambda: storage.publish("a/file", made(b"1")),
        lambda: storage.replace("a/manifest", b"one", was=None),
        lambda: storage.remove(["a/file"]),
    ):
        with pytest.raises(SnapshotError, match=r"s3://no-such-bucket/p/.*NoSuchBucket") as caught:
            ask()
        assert caught.value.hint == "Create the bucket, or correct the address."


def test_a_refusal_names_no_credentials(bucket, door):
    """A store's answer may quote the request; what is told is the bucket, the reason, and what to look at."""
    door.answer = lambda environ, app: (
        "403 Forbidden",
        b"<Error><Code>SignatureDoesNotMatch</Code><Message>Bad.</Message><AWSAccessKeyId>AKIATEST</AWSAccessKeyId></Error>",
    )
    with pytest.raises(SnapshotError) as caught:
        bucket.read("a/manifest")
    assert caught.value.message.endswith("/a prefix/a/manifest: SignatureDoesNotMatch: Bad.")
    assert "Check the credentials" in caught.value.hint
    assert "AKIATEST" not in str(caught.value)
    assert caught.value.__cause__ is None  # which would quote it all
    assert caught.value.__suppress_context__


def test_a_signature_in_an_address_is_not_told(address, tmp_path, monkeypatch):
    """Azure has shared signatures in the addresses themselves."""
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2024&sig=TOPSECRET")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    storage = ObjectStorage("abfss://box@account.dfs.core.windows.net/p", tmp_path)
    with pytest.raises(SnapshotError, match=r"abfss://box@account.dfs.core.windows.net/p/a/manifest: ") as caught:
        storage.read("a/manifest")
    assert "TOPSECRET" not in str(caught.value)
    assert "network" in caught.value.hint


def test_a_reason_is_a_line_without_queries():
    """Whatever the library quotes, nothing that could be a signature and no page of text is passed on."""
    said = "Generic error: GET https://host/box/file?sv=2024&sig=TOPSECRET\nwent wrong" + " and on" * 100
    reason = remote._reason(said + "\n\nDebug source:\nTOPSECRET")
    assert reason.startswith("Generic error: GET https://host/box/file went wrong and on")
    assert "TOPSECRET" not in reason
    assert len(reason) <= 300


def test_an_endpoint_without_tls_is_explained(address, tmp_path, monkeypatch):
    """Plain HTTP has to be asked for."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(SnapshotError, match="AWS_ALLOW_HTTP=true"):
        ObjectStorage(address, tmp_path).read("a/manifest")


def test_settings_of_the_environment_hold(address, tmp_path, monkeypatch):
    """Timeouts may be set there; the check of certificates cannot be switched off."""
    monkeypatch.setenv("AWS_TIMEOUT", "7s")
    monkeypatch.setenv("AWS_ALLOW_INVALID_CERTIFICATES", "true")
    options = ObjectStorage(address, tmp_path)._store.client_options
    assert options == {"timeout": "7s", "connect_timeout": "10s", "allow_http": "true"}


def test_a_setting_that_cannot_be_is_told(address, tmp_path, monkeypatch):
    """A bad value is found when the storage is opened, not in the middle of a run."""
    monkeypatch.setenv("AWS_TIMEOUT", "soon")
    with pytest.raises(UsageError, match=r"soon[\s\S]*begin with AWS_"):
        ObjectStorage(address, tmp_path)


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket/p", "gs://bucket/p"),
        ("az://box/p", "az://box/p"),
        ("abfs://box@account.dfs.core.windows.net/p", "abfs://box@account.dfs.core.windows.net/p"),
        ("abfss://box@account.dfs.core.windows.net", "abfss://box@account.dfs.core.windows.net"),
    ],
)
def test_addresses_open_an_object_store(address, tmp_path, monkeypatch, location, where):
    """Each kind of store by its own scheme."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    storage = open_storage(location, tmp_path, tmp_path / "cache")
    assert isinstance(storage, ObjectStorage)
    assert storage.where == where


def test_paths_open_a_folder(tmp_path):
    """A path is relative to the project, unless it is absolute."""
    assert open_storage(".tailrace/snapshots", tmp_path, tmp_path).where == str(tmp_path / ".tailrace/snapshots")
    assert open_storage(str(tmp_path), tmp_path / "project", tmp_path).where == str(tmp_path)
    assert isinstance(open_storage("x", tmp_path, tmp_path), LocalStorage)


@pytest.mark.parametrize("location", ["warehouse", "", "ftp://user:TOPSECRET@host/p", "://", "http://host/p"])
def test_other_places_are_refused(tmp_path, location):
    """Where snapshots cannot be kept, it is said where they can; a password is not repeated."""
    with pytest.raises(UsageError, match=r"begins with s3://, gs://, az://, abfs:// or abfss://") as caught:
        open_storage(location, tmp_path, tmp_path)
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    [
        "s3://",
        "s3:///p",
        "s3://b//p",
        "s3://b/../p",
        "s3://key:TOPSECRET@b/p",
        "s3://TOPSECRET@b/p",
        "az://b/p?sig=TOPSECRET",
        "abfs://box:TOPSECRET@account.dfs.core.windows.net/p",
    ],
)
def test_addresses_that_are_none_are_refused(tmp_path, location):
    """An address names a bucket and a prefix, and holds no credentials."""
    with pytest.raises(UsageError) as caught:
        open_storage(location, tmp_path, tmp_path)
    assert caught.value.hint
    assert "TOPSECRET" not in str(caught.value)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    """Without the library one is told what to install."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"s3://b/p needs obstore\n  pip install 'tailrace\[object-store\]'"):
        open_storage("s3://b/p", tmp_path, tmp_path)


IDENTITY = Identity("contacts", "crm", "00D1", "Contact", ("id",), ("ext",))
SPEC = DiffSpec(("id",), ("ext",), ("name",))


class World:
    """A sync whose snapshots are in a bucket."""

    def __init__(self, address, root):
        self.address, self.root = address, root
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        self.store = self.opened()

    def opened(self):
        """The store as another machine has it: with a cache of its own."""
        number = next(_numbers)
        storage = ObjectStorage(self.address, self.root / f"cache-{number}")
        return SnapshotStore(storage, work=self.root / f"work-{number}", clock=lambda: self.now)

    def run(self, rows):
        """Compare, have all changes acknowledged, commit; two hours later."""
        folder = self.root / f"run-{next(_numbers)}"
        folder.mkdir()
        schema = pa.schema([("k:id", pa.int64()), ("m:ext", pa.string()), ("f:name", pa.string())])
        made = [{"k:id": key, "m:ext": f"x{key}", "f:name": name} for key, name in rows.items()]
        snapshot = self.store.open(IDENTITY)
        batch = pa.RecordBatch.from_pylist(made, schema)
        found = diff(ModelRows.from_batches([batch]), snapshot, SPEC, folder)
        changes = found.rows.collect()
        said = changes.select(
            "seq",
            status=pl.lit("acknowledged"),
            record_id=pl.format("R{}", "k:id"),
            code=pl.lit(None, pl.String),
            message=pl.lit(None, pl.String),
        )
        self.now += timedelta(hours=2)
        delivered = Delivered(found.rows, found.types, said, SPEC, found.origin)
        self.store.commit(snapshot, delivered, folder.name)
        return dict(changes["op"].value_counts().iter_rows())


def rows_of(snapshot):
    """What a snapshot holds, by key."""
    return dict(snapshot.frame().select("k:id", "f:name").iter_rows())


@pytest.fixture
def world(address, tmp_path):
    """A world after some generations, and the rows of its last one."""
    world = World(address, tmp_path)
    world.rows = {key: f"name {key}" for key in range(1000)}
    assert world.run(world.rows) == {"insert": 1000}
    return world


def test_generations_in_a_bucket_are_read_anywhere(world, objects):
    """A snapshot grows over several runs, and any machine reads the rows of the last one."""
    for generation in range(2, 6):
        world.rows |= dict.fromkeys(range(generation * 100, generation * 100 + 50), f"in {generation}")
        world.rows |= {generation * 1000 + key: "new" for key in range(5)}
        del world.rows[generation]
        assert world.run(world.rows) == {"insert": 5, "update": 50, "delete": 1}
        snapshot = world.opened().open(IDENTITY)
        assert snapshot.generation == generation
        assert rows_of(snapshot) == world.rows
    assert world.opened().others(IDENTITY) == ()
    # Files that no row needs any more went an hour after they were needed last.
    kept = {item["path"].rpartition("/")[2] for page in objects.list("contacts") for item in page}
    named = {file.name for file in snapshot.manifest.files} | {item.name for item in snapshot.manifest.garbage}
    assert kept == {*named, "manifest.json"}


def test_two_machines_do_not_overwrite_each_other(world):
    """Who opened a snapshot before another one saved it must not save it."""
    mine, theirs = world.opened(), world.opened()
    opened = mine.open(IDENTITY)
    places = opened.live_places()
    theirs.drop(theirs.open(IDENTITY), places[:1], "run-theirs")
    with pytest.raises(SnapshotError, match="another run has saved it meanwhile"):
        mine.drop(opened, places[1:3], "run-mine")
    assert world.opened().open(IDENTITY).rows == 999


def test_damage_in_the_bucket_is_found_and_can_be_mended(world, objects):
    """One flipped bit in any file is told as damage; once it is mended, the same program reads on."""
    reader = world.opened()
    for entry in reader.open(IDENTITY).manifest.files:
        name = f"contacts/{IDENTITY.digest}/{entry.name}"
        sound = bytes(objects.get(name).bytes())
        objects.put(name, flipped(sound))
        with pytest.raises(SnapshotError, match=f"damaged: s3://.*/{entry.name} does not match its checksum"):
            reader.open(IDENTITY).readers[0].folder.file(entry)
        objects.put(name, sound)
        assert reader.open(IDENTITY).readers[0].folder.file(entry).read_bytes() == sound
    assert rows_of(reader.open(IDENTITY)) == world.rows


def test_a_forgotten_snapshot_leaves_nothing(world, objects, tmp_path):
    """All objects go, and their copies on this machine."""
    rows_of(world.store.open(IDENTITY))
    world.store.forget(IDENTITY)
    assert [item for page in objects.list("contacts") for item in page] == []
    assert copies(world.store._storage._cache._root) == []
    assert world.opened().open(IDENTITY).generation == 0
