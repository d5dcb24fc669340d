from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]+\])?==(?P<version>[^ ;]+)( ; .+)? \\$")


@pytest.fixture(scope="module")
def lines():
    """The lines of requirements.txt."""
    return (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def pins(lines):
    """Locked versions by name."""
    found = (PIN.match(line) for line in lines)
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


def asked():
    """Every requirement of pyproject.toml, those of all extras too, but for the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    texts = project["build-system"]["requires"] + project["project"]["dependencies"]
    texts += [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != "tailrace"]


def test_no_address_and_no_option(lines):
    """The lock ties nobody to an index: no address, no option of pip."""
    assert not [line for line in lines if "://" in line or line.startswith("-")]


def test_every_pin_has_a_hash(lines):
    """A pin without a hash makes pip refuse the whole lock."""
    followers = [lines[number + 1] for number, line in enumerate(lines) if PIN.match(line)]
    assert followers
    assert all(line.startswith("    --hash=sha256:") for line in followers)


@pytest.mark.parametrize("requirement", asked(), ids=str)
def test_the_lock_holds_what_the_project_asks_for(pins, requirement):
    """A dependency that was added or raised in pyproject.toml is in the lock, in a version that fits."""
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)], prereleases=True)
