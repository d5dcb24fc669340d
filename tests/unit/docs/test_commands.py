"""The commands, options and exit codes that the documentation names are those of the program."""

import re
import signal

import pytest
import typer

from tailrace import errors
from tailrace.cli.app import app
from tailrace.cli.sync import CHANGES_FOUND
from tailrace.running.result import EXIT_CODES

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.fixture(scope="module")
def program():
    """The command line as click sees it."""
    return typer.main.get_command(app)


def options_of(command, *, whole=True):
    """All long options of a command; of the `whole` of it, those of the commands below it too."""
    own = {name for param in command.params for name in (*param.opts, *param.secondary_opts) if name[:2] == "--"}
    below = getattr(command, "commands", {}) if whole else {}
    return own.union(*map(options_of, below.values()))


def test_readme_lists_every_command(program, read):
    """The README's table of commands names all commands, and none that does not exist."""
    listed = {
        name.removeprefix("tailrace ").split()[0]
        for line in read("README.md").section("Commands").splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", re.split(r"(?<!\\)\|", line)[1])
    }
    assert listed == set(program.commands)


def test_every_option_is_documented(program, read, root):
    """Each option of each command appears in the README or in a page of docs/."""
    texts = [read("README.md").text, *(path.read_text() for path in (root / "docs").rglob("*.md"))]
    documented = set(OPTION.findall("\n".join(texts)))
    wanted = options_of(program) - {"--help"}
    either = {"--rate-limits": "--no-rate-limits"}
    assert {name for name in wanted if not {name, either.get(name, name)} & documented} == set()


def calls(text):
    """Commands as the pages write them, in backticks or after a prompt: name and the rest of the line."""
    lines = re.findall(r"^\s*\$ (?:\S*/)?tailrace (\S+)(.*)$", text, re.MULTILINE)
    return lines + re.findall(r"`tailrace ([a-z]+)([^`\n]*)`", text)


def test_commands_in_the_text_exist(page, program):
    """Each command that a page shows exists, and takes the options it is shown with."""
    known = options_of(program, whole=False)
    wrong = []
    for name, rest in calls(page.text):
        command = program.commands.get(name)
        used = set(OPTION.findall(rest.partition("#")[0]))
        if name[0] != "-" and (command is None or not used <= options_of(command) | known):
            wrong.append(f"tailrace {name}{rest}")
    assert wrong == []


def test_every_exit_code_is_documented(read):
    """The table of exit codes holds exactly the codes that the program can end with."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")]
    codes = {0, CHANGES_FOUND, *EXIT_CODES.values(), 128 + signal.SIGTERM, *(kind.exit_code for kind in kinds)}
    table = re.findall(r"^\| (\d+) \|", read("docs/operate.md").section("Exit codes"), re.MULTILINE)
    assert sorted(map(int, table)) == sorted(codes)
