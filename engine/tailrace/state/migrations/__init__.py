"""Alembic's environment and revisions, shipped with the program and run when the state is opened."""
