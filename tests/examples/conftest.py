"""The judge of examples and methods: a server of ours, whose verdicts follow from the text alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.judging.server import JudgeServer


@pytest.fixture(scope="session")
def judge_server() -> Iterator[JudgeServer]:
    """One server for all of them."""
    with JudgeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def judge_url(judge_server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where specs look for it."""
    monkeypatch.setenv("JUDGE_URL", judge_server.url)
