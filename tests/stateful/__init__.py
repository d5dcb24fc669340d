"""Drives one sync through whatever may happen to it, in one process, with the destination as the oracle."""
