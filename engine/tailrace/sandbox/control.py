"""A small client of the control API, for tests and rehearsals."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.errors import UsageError

TIMEOUT = 30.0


class VendorControl:
    """Looks into one simulated vendor and makes it fail. `url` is the vendor's base URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def records(self, object: str, *, archived: bool = False) -> list[dict[str, Any]]:
        """Records of an object as the vendor keeps them; deleted ones only with `archived`.

        Salesforce: fields by name. HubSpot: `id`, `archived` and `properties`.
        """
        found: list[dict[str, Any]] = self._call("GET", f"/records/{object}")
        return [record for record in found if archived or not (record.get("archived") or record.get("IsDeleted"))]

    def all_records(self) -> dict[str, list[dict[str, Any]]]:
        """Records of all objects, deleted ones included."""
        found: dict[str, list[dict[str, Any]]] = self._call("GET", "/records")
        return found

    def counters(self) -> dict[str, Any]:
        """`requests`, `methods`, `writes` (rows by object) and, by vendor, peaks and use of the limits."""
        counted: dict[str, Any] = self._call("GET", "/counters")
        return counted

    def fail(
        self,
        path: str = "",
        *,
        method: str | None = None,
        times: int = 1,
        skip: int = 0,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        drop: bool = False,
        commit: bool = False,
    ) -> None:
        """Fail the next `times` requests whose path matches the regex; see `tailrace.sandbox.faults.Fault`."""
        rule = {"path": path, "method": method, "times": times, "skip": skip, "status": status, "body": body}
        rule |= {"headers": dict(headers or {}), "delay": delay, "drop": drop, "commit": commit}
        self._call("POST", "/faults", rule)

    def fail_rows(
        self,
        object: str,
        code: str,
        *,
        message: str = "The sandbox was told to refuse this row.",
        field: str | None = None,
        values: Sequence[str] = (),
        times: int = 1,
    ) -> None:
        """Refuse the next `times` written rows of `object` whose `field` is one of `values`."""
        rule = {"object": object, "code": code, "message": message, "field": field}
        self._call("POST", "/faults/rows", rule | {"values": list(values), "times": times})

    def fail_jobs(
        self, object: str, *, rows: int = 0, message: str = "InternalServerError : told to fail", times: int = 1
    ) -> None:
        """Let the next `times` bulk jobs of `object` fail after so many rows."""
        self._call("POST", "/faults/jobs", {"object": object, "rows": rows, "message": message, "times": times})

    def pending_faults(self) -> dict[str, int]:
        """How many failures are still to come: of `requests`, of `rows`."""
        pending: dict[str, int] = self._call("GET", "/faults")
        return pending

    def heal(self) -> None:
        """Forget all failures that are still to come."""
        self._call("DELETE", "/faults")

    def expire_sessions(self) -> None:
        """Make every token seen so far invalid."""
        self._call("POST", "/sessions/expire", {})

    def limit(self, **limits: float | None) -> None:
        """Change limits; None is none.

        Salesforce: `daily`, `polls`, `locks`, `rotates`. HubSpot: `burst` and `per`, `daily`, `search`,
        `oauth`; `rotates` and `lifetime` are of OAuth tokens.
        """
        self._call("PUT", "/limits", limits)

    def declare(self, objects: Mapping[str, Any]) -> None:
        """Add objects and fields, in the shape the options' `objects` have."""
        self._call("POST", "/objects", dict(objects))

    def reset(self) -> None:
        """Forget records, counters and failures; declared objects and fields stay."""
        self._call("POST", "/reset", {})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/__sandbox__{path}", data, method=method)  # noqa: S310 - own URL
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise UsageError(f"The sandbox refused: {error.read().decode()}") from error
        except OSError as error:
            raise UsageError(f"No sandbox answers at {self.url}: {error}") from error
        return json.loads(text) if text else None


class Control:
    """The control clients of both vendors."""

    def __init__(self, salesforce_url: str | None, hubspot_url: str | None) -> None:
        self._salesforce = VendorControl(salesforce_url) if salesforce_url else None
        self._hubspot = VendorControl(hubspot_url) if hubspot_url else None

    @property
    def salesforce(self) -> VendorControl:
        """Control of the Salesforce-like server."""
        return _running(self._salesforce, "Salesforce")

    @property
    def hubspot(self) -> VendorControl:
        """Control of the HubSpot-like server."""
        return _running(self._hubspot, "HubSpot")

    def reset(self) -> None:
        """Reset whichever vendors run."""
        for vendor in (self._salesforce, self._hubspot):
            if vendor is not None:
                vendor.reset()


def _running(control: VendorControl | None, name: str) -> VendorControl:
    if control is None:
        raise UsageError(f"This sandbox was started without {name}.")
    return control
