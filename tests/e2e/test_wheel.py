from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "tailrace/__init__.py",
    "tailrace/py.typed",
    "tailrace/cli/__init__.py",
    "tailrace/schedule.py",
    "tailrace/init/template/tailrace.yml",
    "tailrace/init/template/gitignore",
    "tailrace/init/template/models/customers.sql",
    "tailrace/init/template/syncs/customers.yml",
    "tailrace/init/template/data/customers.csv",
    "tailrace/sandbox/__init__.py",
    "tailrace/web/templates/base.html",
    "tailrace/web/static/console.css",
    "tailrace/web/static/console.js",
    "tailrace/testing/__init__.py",
    "tailrace_destinations/__init__.py",
    "tailrace_destinations/py.typed",
    *(f"tailrace_destinations/{name}/__init__.py" for name in ("hubspot", "salesforce", "sql", "webhook")),
}
SUFFIXES = {".py", ".typed", ".yml", ".sql", ".csv", ".md", ".mako", ".json", ".html", ".css", ".js", ".svg", ""}

pytestmark = pytest.mark.slow


def run(*command, cwd, expect=0, env=None):
    """Run a command; its standard output. A wrong exit code fails with all that it printed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, capture_output=True, text=True, env=env, timeout=120
    )
    assert done.returncode == expect, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist and the wheel that was built from it, as an index would get them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    unpacked = tmp_path_factory.mktemp("sdist")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(unpacked, filter="data")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=next(unpacked.iterdir()))
    return folder


@pytest.fixture(scope="module")
def names(built):
    """Paths of all files in the wheel."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The `tailrace` command of an environment that has the wheel, and finds only its dependencies in ours."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", next(built.glob("*.whl")), cwd=folder)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "tailrace"


@pytest.fixture
def clean_env():
    """Our environment without what would let Python or the command find the source tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TAILRACE"))}


def test_the_wheel_has_what_is_needed(names):
    """Both packages, their type markers, the migrations and the template of `init` are in the wheel."""
    assert names >= EXPECTED
    assert any(name.startswith("tailrace/state/migrations/versions/") for name in names)


def test_the_wheel_has_nothing_else(names):
    """Only our two packages and the metadata: no source root, no test, no state, no compiled file."""
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tailrace", "tailrace_destinations"}
    assert {Path(name).suffix for name in names if not name.split("/")[0].endswith(".dist-info")} <= SUFFIXES


def test_every_module_is_in_the_wheel(names):
    """What runs from the source tree runs from the wheel: no file of the packages is left out."""
    sources = [ROOT / "engine" / "tailrace", ROOT / "destinations" / "tailrace_destinations"]
    present = {
        path.relative_to(source.parent).as_posix()
        for source in sources
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert present <= names


def test_the_sdist_has_licence_and_tests(built):
    """The source archive is enough to build and to test."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        files = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert files >= {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "tailrace.yml",
        "tests/e2e/test_wheel.py",
    }


def test_the_installed_code_is_the_wheels(installed, clean_env, tmp_path):
    """The environment imports the packages from the wheel, not from this repository."""
    show = "import tailrace, tailrace_destinations as d; print(tailrace.__file__); print(d.__file__)"
    places = run(installed.with_name("python"), "-c", show, cwd=tmp_path, env=clean_env).split()
    assert all(place.startswith(str(installed.parents[1])) for place in places)


def test_help_answers(installed, clean_env, tmp_path):
    """The console script works and names its commands."""
    text = run(installed, "--help", cwd=tmp_path, env=clean_env)
    assert "plan" in text
    assert "init" in text


def test_init_and_run_in_an_empty_folder(installed, clean_env, tmp_path):
    """A new project runs as it stands; its second run has nothing to do."""
    run(installed, "init", cwd=tmp_path, env=clean_env)
    run(installed, "run", "--all", cwd=tmp_path, env=clean_env)
    assert '"nothing_to_do"' in run(installed, "run", "--all", "--json", cwd=tmp_path, env=clean_env)
