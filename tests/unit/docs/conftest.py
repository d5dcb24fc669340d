"""Markdown pages as their parts: code blocks, tables, links."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `file` is the name its first line gives, as in `# syncs/contacts.yml`."""

    language: str
    text: str

    @property
    def file(self):
        named = re.match(r"# (\S+\.\w+)\n", self.text)
        return named.group(1) if named else None


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")

    @property
    def prose(self):
        return _BLOCK.sub("", self.text)

    def blocks(self, language):
        return [Block(kind, text) for _, kind, text in _BLOCK.findall(self.text) if kind == language]

    def links(self):
        return _LINK.findall(self.prose)

    def anchors(self):
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    def section(self, title):
        """The text under a heading, up to the next one of any level."""
        return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", self.prose, re.MULTILINE | re.DOTALL).group(1)

    def rows(self, section=None):
        """Table rows whose first cell names something in backticks: all of those names, and the row's text."""
        for line in (self.section(section) if section else self.prose).splitlines():
            if line.strip().startswith("|"):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
                yield re.findall(r"`([^`]+)`", cells[0]), line

    def row(self, name, section=None):
        """The first table row about that name, on the page or under one heading."""
        return next((line for names, line in self.rows(section) if name in names), None)


def _paths():
    folders = ("docs", "tests", "benchmarks")
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))])


def pytest_generate_tests(metafunc):
    """Give a test that asks for `page` each Markdown file in turn."""
    if "page" in metafunc.fixturenames:
        paths = _paths()
        metafunc.parametrize("page", [Page(path) for path in paths], ids=[str(p.relative_to(ROOT)) for p in paths])


@pytest.fixture
def root():
    """The repository."""
    return ROOT


@pytest.fixture
def read():
    """Read a page by its path from the repository's root."""
    return lambda name: Page(ROOT / name)
