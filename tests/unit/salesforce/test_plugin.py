import subprocess
import sys

import pytest
from pydantic import ValidationError

from tailrace.destination import Context, Operation
from tailrace.errors import UsageError
from tailrace.project.types import Secret
from tailrace_destinations import salesforce
from tailrace_destinations.salesforce.config import SalesforceConfig

SECRET = Secret.literal("canary")
APP = {"flow": "client_credentials", "login_url": "https://acme.my.salesforce.com", "client_id": "id-canary"}
USER = {"flow": "password", "username": "u@x.io", "password": SECRET}


def config(auth=None, **settings):
    """Make a configuration."""
    return SalesforceConfig(**{"type": "salesforce", "auth": auth or APP | {"client_secret": SECRET}} | settings)


def test_capabilities():
    """A batch never exceeds the vendor's cap, only a create cannot be repeated, archive is not offered."""
    can = salesforce.plugin.capabilities(config(batch_size=5000))
    assert (can.batch_size, can.concurrency) == (200, 1)
    assert can.operations - can.idempotent == {Operation.CREATE}
    assert Operation.ARCHIVE not in can.operations
    assert can.lookups


@pytest.mark.parametrize(
    ("auth", "hint"),
    [
        (APP | {"client_secret": SECRET}, "https://acme.my.salesforce.com"),
        (USER, "https://login.salesforce.com u@x.io"),
        ({"flow": "session", "instance_url": "https://a.com/", "session_id": SECRET}, "https://a.com"),
    ],
)
def test_account_hint_tells_accounts_apart_without_secrets(auth, hint):
    """The hint is the host, and the user where many share a host."""
    assert salesforce.plugin.account_hint(config(auth)) == hint


@pytest.mark.parametrize(
    ("auth", "settings"),
    [
        ({"flow": "magic"}, {}),
        (APP, {}),
        (USER | {"client_id": "app"}, {}),
        (USER | {"login_url": "http://example.com"}, {}),
        (None, {"api_version": "v62"}),
        (None, {"timezone": "Nowhere"}),
        (USER, {"api_version": "65.0"}),
    ],
)
def test_wrong_settings(auth, settings):
    """Settings that cannot work are refused at load."""
    with pytest.raises(ValidationError):
        config(auth, **settings)


def test_missing_library(monkeypatch):
    """Without the vendor's library the error says what to install."""
    monkeypatch.setattr(salesforce, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'tailrace\[salesforce\]'"):
        salesforce.plugin.open(config(), Context("crm", None, "."))


def test_the_plugin_imports_no_vendor_library():
    """Reading a project must not wait for the vendor's library."""
    code = "import sys, tailrace_destinations.salesforce; sys.exit('simple_salesforce' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
