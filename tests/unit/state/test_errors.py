"""How errors of the state database are told."""

from sqlalchemy.exc import OperationalError

from tailrace.state.errors import explain


def test_a_log_says_why_the_database_cannot_be_reached():
    """No statement was sent, so nothing is hidden; what a statement got for an answer may quote a row, and is."""
    away = explain(OperationalError(None, None, Exception("connection refused")), "db")
    assert "connection refused" in away.discreet
    answered = explain(OperationalError("insert", None, Exception("row of ann@x.io")), "db")
    assert "ann@x.io" not in answered.discreet
