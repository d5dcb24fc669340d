import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tailrace.destination import Context
from tailrace.errors import StopRun, UsageError
from tailrace.project.types import Secret
from tailrace.testing.calls import RecordingCalls
from tailrace_destinations import hubspot, salesforce
from tailrace_destinations.hubspot.config import HubSpotConfig
from tailrace_destinations.salesforce.config import SalesforceConfig


class Anything(BaseHTTPRequestHandler):
    """Answers each GET with what both adapters take for an object without fields."""

    def do_GET(self):
        """Answer."""
        body = json.dumps({"name": "X", "fields": [], "results": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Stay quiet."""


@pytest.fixture(scope="module")
def certify(tmp_path_factory):
    """Write a self-signed certificate for an address, and give its path and its key's."""
    folder = tmp_path_factory.mktemp("tls")

    def certify(address):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem, secret = folder / f"{address}.pem", folder / f"{address}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        return str(pem), str(secret)

    return certify


@pytest.fixture
def serve(certify):
    """Start an https server on 127.0.0.1 whose certificate is for a given address; its URL and certificate."""
    running = []

    def serve(address):
        pem, key = certify(address)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Anything)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None  # refused handshakes are the point
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"https://127.0.0.1:{server.server_address[1]}", pem

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def open_hubspot(url, ca_file):
    """Open the hubspot adapter there."""
    config = HubSpotConfig(type="hubspot", access_token=Secret.literal("token"), base_url=url, ca_file=ca_file)
    return hubspot.plugin.open(config, Context("d", RecordingCalls(), "."))


def open_salesforce(url, ca_file):
    """Open the salesforce adapter there."""
    auth = {"flow": "session", "instance_url": url, "session_id": Secret.literal("session")}
    config = SalesforceConfig(type="salesforce", auth=auth, ca_file=ca_file)
    return salesforce.plugin.open(config, Context("d", RecordingCalls(), "."))


@pytest.fixture(params=[open_hubspot, open_salesforce])
def connect(request):
    """Open either adapter."""
    opened = []

    def connect(url, ca_file=None):
        opened.append(request.param(url, ca_file))
        return opened[-1]

    yield connect
    for destination in opened:
        destination.close()


def test_an_unknown_authority_is_refused(connect, serve):
    """A self-signed certificate stops the run."""
    url, _ = serve("127.0.0.1")
    with pytest.raises(StopRun, match="TLS") as caught:
        connect(url).describe("X")
    assert caught.value.code == "TLS"


def test_a_certificate_for_another_host_is_refused(connect, serve):
    """A known authority does not help a certificate for somewhere else."""
    url, pem = serve("127.0.0.9")
    with pytest.raises(StopRun, match="TLS"):
        connect(url, pem).describe("X")


def test_a_private_authority_can_be_given(connect, serve):
    """With the authority's certificate as ca_file the connection stands."""
    url, pem = serve("127.0.0.1")
    assert connect(url, pem).describe("X").name == "X"


def test_a_ca_file_that_is_not_there(connect):
    """A missing bundle is told at once, by name."""
    with pytest.raises(UsageError, match=r"nowhere\.pem"):
        connect("https://127.0.0.1:1", "nowhere.pem")


def test_a_ca_file_that_is_none(connect, serve, tmp_path):
    """A bundle that holds no certificate is an error, not a way round verification."""
    (tmp_path / "bad.pem").write_text("hello")
    url, _ = serve("127.0.0.1")
    with pytest.raises(StopRun):
        connect(url, str(tmp_path / "bad.pem")).describe("X")
