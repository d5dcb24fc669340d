"""Local Salesforce- and HubSpot-like servers: for the demo, for tests, and to rehearse a sync before production.

They keep records in memory, check what the vendors check, answer in the vendors' shapes, count every
request, and fail on request. `SandboxServer` is for tests; `serve` blocks, for the command line.
"""

from tailrace.sandbox.control import Control, VendorControl
from tailrace.sandbox.options import HubSpotOptions, SalesforceOptions, SandboxOptions
from tailrace.sandbox.server import SandboxServer, serve

__all__ = [
    "Control",
    "HubSpotOptions",
    "SalesforceOptions",
    "SandboxOptions",
    "SandboxServer",
    "VendorControl",
    "serve",
]
