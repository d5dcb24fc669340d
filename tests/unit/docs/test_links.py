"""Links inside the documentation lead somewhere."""

from pathlib import Path


def test_relative_links_resolve(page, read, root):
    """Every link that is no web address leads to a file, and its anchor to a heading of it."""
    broken = []
    for link in page.links():
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        if not target.exists() or (anchor and anchor not in read(str(Path(target).relative_to(root))).anchors()):
            broken.append(link)
    assert broken == []


def test_every_page_is_linked(root, read):
    """A page of docs/ is reached from the README, from another page, or lies in a folder that is linked."""
    pages = [read(str(path.relative_to(root))) for path in [root / "README.md", *(root / "docs").rglob("*.md")]]
    reached = {
        (page.path.parent / link.partition("#")[0]).resolve()
        for page in pages
        for link in page.links()
        if "://" not in link
    }
    lost = [page.path.name for page in pages if not {page.path, page.path.parent} & reached]
    assert [name for name in lost if name != "README.md"] == []
