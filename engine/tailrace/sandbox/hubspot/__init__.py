"""A HubSpot-like portal: CRM objects, properties, associations and account information over HTTP."""

from tailrace.sandbox.hubspot.app import HubSpot

__all__ = ["HubSpot"]
