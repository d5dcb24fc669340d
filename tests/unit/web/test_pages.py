"""Each page shows what it is about, without a browser."""

import pytest

PATHS = [
    "/",
    "/syncs/people",
    "/syncs/copies",
    "/syncs/people/rejected",
    "/syncs/people/row",
    "/syncs/people/row?key.id=1",
    "/syncs/people/row?key.id=3",
    "/runs",
    "/rejected",
    "/unknown",
    "/accounts",
    "/lineage",
    "/audit",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_made(console, path):
    """Each answers with a whole page that names its project."""
    page = console.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>" in page.text
    assert page.text.rstrip().endswith("</html>")
