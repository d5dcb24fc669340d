"""A Salesforce-like org: OAuth, describe, Collections, single rows and SOQL over HTTP."""

from tailrace.sandbox.salesforce.app import Salesforce

__all__ = ["Salesforce"]
