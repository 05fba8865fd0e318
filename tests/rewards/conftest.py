"""Fixtures of the tests of rewards: one set of host calls a file, so that processes start once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rldsl.rewards.run import HostCalls
from tests.rewards.project import REWARDS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with reward functions in `rewards.py`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "rewards.py").write_text(REWARDS)
    (folder / "beside.py").write_text("WORD = 'beside'\n")
    return folder


@pytest.fixture(scope="module")
def calls(project: Path) -> Iterator[HostCalls]:
    """Host calls with two workers of each kind."""
    with HostCalls((), project, workers=2) as opened:
        yield opened
