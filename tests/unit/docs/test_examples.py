"""The examples in the documentation are read by the program itself."""

import json
import re
import time
from pathlib import Path

import pytest

from tailrace.destination import plugins
from tailrace.project import load_project
from tailrace.project.config import ProjectConfig
from tailrace.project.model import field_keys
from tailrace.project.yaml import read_yaml
from tailrace_destinations.webhook.body import sign

ENV = re.compile(r"\$\{env:([^}]+)\}")
FILE = re.compile(r"\$\{file:([^}]+)\}")


def parsed(block):
    """The block as plain data; fails when it is not the YAML that Tailrace takes."""
    document = read_yaml(block.text.encode(), Path("block.yml"))
    assert document.problems == ()
    return document.root.value


def known_plugins(read):
    """The installed adapters, and the one that the guide builds."""
    scope = {}
    block = next(
        b for b in read("docs/writing-an-adapter.md").blocks("python") if b.file == "tailrace_folder/__init__.py"
    )
    exec(block.text, scope)  # noqa: S102 - our own page
    return {**plugins(), "folder": scope["plugin"]}


@pytest.fixture
def project(tmp_path, monkeypatch, read, root):
    """Writes a project of a page's blocks, on the example project where the page has no tailrace.yml, and loads it."""

    def load(files):
        files = {"tailrace.yml": (root / "tailrace.yml").read_text(), **files}
        for name, text in files.items():
            place(tmp_path / name, text)
            for secret in ENV.findall(text):
                monkeypatch.setenv(secret, "canary")
            for secret in FILE.findall(text):
                place(tmp_path / secret, "https://canary.example.com\n")
            for model in re.findall(r"^model: (\S+)", text, re.MULTILINE):
                place(tmp_path / "models" / f"{model}.sql", "select 1 as id")
        return load_project(tmp_path, plugins=known_plugins(read))

    return load


def place(path, text):
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_yaml_blocks_are_valid(page):
    """Every YAML block can be read under the strict rules of project files."""
    for block in page.blocks("yaml"):
        assert isinstance(parsed(block), dict)


def test_examples_make_valid_projects(page, project):
    """The files that a page shows, taken together, are a project that loads without a problem."""
    files = {block.file: block.text for block in page.blocks("yaml") if block.file}
    loaded = project(files)
    assert set(loaded.syncs) == {Path(name).stem for name in files if name.startswith("syncs/")}


def test_fragments_of_settings_are_valid(page, project):
    """A block without a file's name that holds keys of tailrace.yml is a valid tailrace.yml."""
    for block in page.blocks("yaml"):
        if block.file is None and parsed(block).keys() <= field_keys(ProjectConfig):
            project({"tailrace.yml": block.text})


def test_whole_examples_name_their_file(page):
    """A block that is a whole sync says which file it is, so that it is checked as one."""
    whole = [block for block in page.blocks("yaml") if parsed(block).keys() >= {"model", "destination", "mode"}]
    assert [block.text for block in whole if not (block.file or "").startswith("syncs/")] == []


def test_json_blocks_are_json(page):
    """Every JSON block can be parsed."""
    for block in page.blocks("json"):
        json.loads(block.text)


def test_python_blocks_compile(page):
    """Every Python block is valid Python."""
    for block in page.blocks("python"):
        compile(block.text, str(page.path), "exec")


@pytest.fixture
def verified(read):
    """The receiver's check as the webhook page shows it."""
    scope = {}
    exec(read("docs/destinations/webhook.md").blocks("python")[0].text, scope)  # noqa: S102 - our own page
    return scope["verified"]


def headers(timestamp, signature):
    """The two headers that the check reads."""
    return {"Tailrace-Timestamp": timestamp, "Tailrace-Signature": signature}


def test_the_shown_check_takes_our_signatures(verified):
    """A signature that the adapter makes now is taken by the page's sample."""
    now = str(int(time.time()))
    assert verified(b"secret", headers(now, sign("secret", now, b"{}")), b"{}")


def test_the_shown_check_refuses_others(verified):
    """A changed body, another secret, an old or no timestamp, and no signature are refused."""
    now, old = str(int(time.time())), str(int(time.time()) - 1000)
    good = sign("secret", now, b"{}")
    assert not verified(b"secret", headers(now, good), b"{ }")
    assert not verified(b"other", headers(now, good), b"{}")
    assert not verified(b"secret", headers(old, sign("secret", old, b"{}")), b"{}")
    assert not verified(b"secret", headers("soon", sign("secret", "soon", b"{}")), b"{}")
    assert not verified(b"secret", headers(now, "ü"), b"{}")
    assert not verified(b"secret", {}, b"{}")
