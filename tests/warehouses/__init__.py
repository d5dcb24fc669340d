"""Warehouses as far as they can be had here: a simulator, servers, and other people's emulators."""
