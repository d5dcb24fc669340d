"""What is not to be changed on its way through the proxy is not."""

import gzip
import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpx
import pytest
import requests
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LARGE = os.urandom(5 << 20)


def in_parts(body):
    """The body piece by piece, so that its length is not known at the start."""
    return (body[start : start + 100_000] for start in range(0, len(body), 100_000))


@pytest.mark.parametrize("path", ["/", "/chunked"])
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "in chunks"])
def test_large_bodies_pass_byte_for_byte(server, proxied, path, chunked):
    """5 MB there and back, by length and in chunks, with requests and with httpx."""
    url = proxied().url + path
    answer = requests.post(url, data=in_parts(LARGE) if chunked else LARGE, timeout=60)
    assert answer.content == LARGE
    answer = httpx.post(url, content=in_parts(LARGE) if chunked else LARGE, timeout=60)
    assert answer.content == LARGE
    assert [body == LARGE for _, _, body in server.carried_out] == [True, True]
    framing = "Transfer-Encoding" if chunked else "Content-Length"
    assert all(framing in headers for headers in server.headers)
    assert ("Content-Length" in answer.headers) == (path == "/")


def test_compressed_answers_pass_as_they_are(proxied):
    """Not unpacked, not packed anew."""
    answer = urllib3.request("POST", f"{proxied().url}/gzip", body=b"words", decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.data == gzip.compress(b"words", mtime=0)


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"])
def test_every_method_passes(server, proxied, method):
    """With its body where there is one; a HEAD is answered with headers alone."""
    answer = requests.request(method, f"{proxied().url}/a", data=b"body", timeout=60)
    assert server.carried_out == [(method, "/a", b"body")]
    assert answer.content == (b"" if method == "HEAD" else b"body")
    assert answer.headers["Content-Length"] == "4"


def test_an_answer_without_a_body_passes(proxied):
    """204 has none, and the connection goes on."""
    with httpx.Client(base_url=proxied().url) as client:
        assert [client.post(path).status_code for path in ("/nothing", "/", "/nothing")] == [204, 200, 204]


def test_headers_pass_but_for_those_of_one_connection(server, proxied):
    """Twice the same name, the case of names and the Host stay; what is about a connection goes no further."""
    proxy = proxied()
    answer = httpx.post(
        f"{proxy.url}/a%20b?q=%C3%BC&q=2",
        headers={"X-Trace-ID": "1", "Connection": "keep-alive, X-Mine", "X-Mine": "here", "Keep-Alive": "timeout=5"},
    )
    assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    assert server.carried_out[0][1] == "/a%20b?q=%C3%BC&q=2"
    got = server.headers[0]
    assert "X-Trace-ID" in got.keys()  # noqa: SIM118 - this one looks at the case
    assert got["Host"] == proxy.url.removeprefix("http://")
    assert (got["X-Mine"], got["Keep-Alive"], got["Connection"]) == (None, None, "close")


@contextmanager
def talking_to(proxy):
    """A bare connection, and what it reads until its end."""
    host, port = proxy.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=60)) as connection:
        yield connection


def rest(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(server, proxied):
    """`Expect: 100-continue`, as curl sends it with large bodies."""
    with talking_to(proxied()) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(b"ok")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert server.carried_out == [("POST", "/", b"ok")]
    assert server.headers[0]["Expect"] is None


def test_requests_sent_ahead_are_answered_one_by_one(server, proxied):
    """Two requests in one packet: both arrive, in their order."""
    one = b"PUT /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n%s\r\nx"
    with talking_to(proxied()) as client:
        client.sendall(one % (b"1", b"") + one % (b"2", b"Connection: close\r\n"))
        assert rest(client).count(b"HTTP/1.1 200") == 2
    assert [path for _, path, _ in server.carried_out] == ["/1", "/2"]


def test_an_old_client_is_served_until_the_connection_ends(proxied):
    """HTTP/1.0 knows no chunks: the end of the body is the end of the connection."""
    with talking_to(proxied()) as client:
        client.sendall(b"POST /chunked HTTP/1.0\r\nContent-Length: 5\r\n\r\nwords")
        assert rest(client).endswith(b"\r\n\r\nwords")


@pytest.mark.parametrize(
    "sent",
    [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", b"POST / HT", b"no HTTP at all\r\n\r\n", b""],
    ids=["half a body", "half a head", "nonsense", "nothing"],
)
def test_half_a_request_reaches_nobody(server, proxied, sent):
    """A client that is killed while it sends has sent nothing; the next client is served."""
    proxy = proxied()
    with talking_to(proxy) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in rest(client)
    assert requests.get(proxy.url, timeout=60).status_code == 200
    assert [method for method, _, _ in server.carried_out] == ["GET"]
    assert len(proxy.log) == 1


def test_concurrent_requests_do_not_mix(server, proxied):
    """16 clients at once: each gets the answer to its own question, each question is asked once, all are numbered."""
    proxy = proxied()

    def ask(client):
        with httpx.Client(timeout=60) as http:
            return [http.post(proxy.url, content=f"{client}.{n}").text == f"{client}.{n}" for n in range(10)]

    with ThreadPoolExecutor(16) as pool:
        assert all(all(answers) for answers in pool.map(ask, range(16)))
    bodies = [body for _, _, body in server.carried_out]
    assert sorted(bodies) == sorted(f"{client}.{n}".encode() for client in range(16) for n in range(10))
    assert [entry.number for entry in proxy.log] == list(range(1, 161))
    assert proxy.log.writes == 160


@contextmanager
def answering(data, tls=None):
    """A server that answers each connection's first request with these bytes; its URL, and what it was asked."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection = listener.accept()[0]
                with tls.wrap_socket(connection, server_side=True) if tls else connection as opened:
                    asked.append(opened.recv(65536))
                    opened.sendall(data)
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SSH-2.0\r\n\r\n"],
    ids=["no answer", "half a head", "half a body", "no HTTP"],
)
def test_what_the_server_breaks_is_broken_for_the_client(proxied, data):
    """No status is made up, and the request is not sent again."""
    with answering(data) as (url, asked):
        proxy = proxied(upstream=url)
        with pytest.raises(requests.ConnectionError):
            requests.post(proxy.url, timeout=60)
        entry = proxy.log[0]
        assert (len(asked), entry.forwarded, entry.status, entry.answer) == (1, True, None, None)


def test_a_server_that_is_not_there_is_told_by_a_closed_connection(proxied):
    """And by the log: it got nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    proxy = proxied(upstream=f"http://127.0.0.1:{port}")
    with pytest.raises(requests.ConnectionError):
        requests.post(proxy.url, timeout=60)
    assert (proxy.log[0].forwarded, proxy.log.writes) == (False, 0)


def test_interim_answers_and_trailers_do_not_confuse(proxied):
    """1xx before the answer is dropped; trailers after the last chunk pass."""
    data = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    data += b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    with answering(data) as (url, _), talking_to(proxied(upstream=url)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = rest(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for, and a server's TLS settings with it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "faults")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = folder / "server.pem"
    secret = key.private_bytes(encoding, form, serialization.NoEncryption())
    pem.write_bytes(certificate.public_bytes(encoding) + secret)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(pem)
    return pem, settings


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_server_behind_tls_is_called_by_its_own_name(proxied, certified, monkeypatch):
    """A vendor's test account can be the upstream; its Host is its own then, as its certificate is."""
    pem, settings = certified
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with answering(OK, settings) as (url, asked):
        assert requests.get(proxied(upstream=url).url, timeout=60).text == "ok"
    assert f"host: {url.removeprefix('https://')}\r\n".encode() in asked[0].lower()


def test_a_certificate_that_cannot_be_verified_is_refused(proxied, certified):
    """There is no off switch: nothing is sent."""
    with answering(OK, certified[1]) as (url, asked):
        proxy = proxied(upstream=url)
        with pytest.raises(requests.ConnectionError):
            requests.get(proxy.url, timeout=60)
    assert asked == []
    assert not proxy.log[0].forwarded
