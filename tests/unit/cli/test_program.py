"""The program is made ready for the command that was asked for, and is the same program then."""

import pytest
import typer

from tailrace.cli.app import app, program

WHOLE = typer.main.get_command(app)


def shown(command):
    """What a command takes: its name, help and parameters, and the same of those below it."""
    below = getattr(command, "commands", {})
    return (
        command.name,
        command.help,
        [(type(param), param.name, param.opts, param.default, param.required) for param in command.params],
        {name: shown(one) for name, one in below.items()},
    )


@pytest.mark.parametrize(
    "name", sorted(name for name, command in WHOLE.commands.items() if not hasattr(command, "commands"))
)
def test_a_command_alone_is_what_it_is_among_all(name):
    """With the program's own options."""
    alone = program(name)
    assert list(alone.commands) == [name]
    assert shown(alone.commands[name]) == shown(WHOLE.commands[name])
    assert shown(alone)[:3] == shown(WHOLE)[:3]


@pytest.mark.parametrize("name", [None, "plna", "token", "--help"])
def test_else_all_commands_are_there(name):
    """So that a typing error gets its suggestion, and help tells of every command."""
    assert shown(program(name)) == shown(WHOLE)
