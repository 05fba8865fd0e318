"""The levels of isolation that this machine allows; a test of one that it does not is skipped, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rldsl.rewards.run import HostCalls
from tests.sandbox.bench import LEVELS, Bench, refusal


def opened(name: str, folder: Path) -> Iterator[Bench]:
    """A bench at a level, if there is one here."""
    level = LEVELS[name]
    if reason := refusal(level):
        pytest.skip(f"no `isolate: {name}` here: {reason}")
    with HostCalls((), folder, workers=1) as calls:
        yield Bench(calls, level)


@pytest.fixture(scope="module", params=sorted(LEVELS))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Each level in turn."""
    yield from opened(request.param, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module", params=["process", "namespace"])
def walled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The levels whose walls are ours."""
    yield from opened(request.param, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """`isolate: process`, for what does not depend on the level."""
    yield from opened("process", tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """`isolate: namespace`."""
    yield from opened("namespace", tmp_path_factory.mktemp("project"))
