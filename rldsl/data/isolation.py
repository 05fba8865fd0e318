"""`isolate: container("command")`: how it is written, and how it is kept: as a text, as the other levels are."""

from __future__ import annotations

from collections.abc import Sequence

from rldsl.graph.spec import Invocation

CONTAINER = 'container("podman run --rm -i --network none IMAGE")'
_PREFIX = "container: "


def container_kept(command: str) -> str | None:
    """The kept text of `container("command")`; None where the command is empty."""
    return _PREFIX + command if command.strip() else None


def container_named(value: object) -> str | None:
    """The same of a constructor in a setting; None for anything else."""
    match value:
        case Invocation(name="container", positional=(str(command),), named=()):
            return container_kept(command)
        case _:
            return None


def is_isolation(value: object, words: Sequence[str]) -> bool:
    """Whether a kept text is one of these words, or a container."""
    return value in words or (isinstance(value, str) and value.startswith(_PREFIX))
