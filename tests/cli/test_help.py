"""Help teaches: every command says what it does, shows an example, and names the exit codes."""

from __future__ import annotations

import re

import pytest

import rldsl as package
from rldsl.commands import app
from tests.cli.conftest import Command

COMMANDS = ("check", "fmt", "explain", "diff", "compile", "tune", "run", "test", "eval", "score", "export", "new")


def plain(text: str) -> str:
    """One line, without frames."""
    return re.sub(r"[\s│╭╰─╮╯]+", " ", text)


def test_the_commands_are_those_of_the_documentation() -> None:
    names = [entry.name or getattr(entry.callback, "__name__", "") for entry in app.registered_commands]
    assert tuple(names) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_that_names_it(rldsl: Command, command: str) -> None:
    found = rldsl(command, "--help")
    text = plain(found.out)
    assert found.status == 0
    examples = text.partition("Examples")[2]
    assert f"rldsl {command} " in examples
    assert "Exit codes: 0 fine" in text
    assert ("130 it was interrupted" in text) == ("3 a guard stopped" in text)
    assert "[bold]" not in found.out


def test_every_option_says_what_it_does(rldsl: Command) -> None:
    for command in COMMANDS:
        for line in re.findall(r"│ [* ]\s+(--\S+.*?)│", rldsl(command, "--help").out):
            assert re.search(r"<\S+>\s+\S", line) or "--help" in line, f"{command}: {line}"


def test_the_first_page_names_every_command_and_a_first_run(rldsl: Command) -> None:
    found = rldsl("--help")
    text = plain(found.out)
    assert found.status == 0
    assert all(f" {command} " in text for command in COMMANDS)
    assert "rldsl new mine" in text and "rldsl run mine/mine.rl" in text


def test_without_a_command_the_help_is_shown_and_the_status_says_so(rldsl: Command) -> None:
    found = rldsl()
    assert found.status == 2
    assert "Examples" in found.out + found.err


def test_the_folder_of_a_run_is_said_in_the_help_of_run(rldsl: Command) -> None:
    assert "runs/<spec>-<seed>" in plain(rldsl("run", "--help").out)


def test_a_misspelt_command_is_guessed(rldsl: Command) -> None:
    found = rldsl("chek", "mine.rl")
    assert found.status == 2
    assert "Did you mean 'check'" in plain(found.err)


def test_the_version_is_that_of_the_package(rldsl: Command) -> None:
    found = rldsl("--version")
    assert (found.status, found.out.strip()) == (0, package.__version__)


def test_a_bug_shows_where_it_is_and_does_not_blame_the_spec(rldsl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("in a pass")

    monkeypatch.setattr("rldsl.reporting.check_files", broken)
    found = rldsl("check", "mine.rl")
    assert found.status == 70
    assert "ZeroDivisionError: in a pass" in found.err
    assert "bug of rldsl, not of your spec" in found.err
