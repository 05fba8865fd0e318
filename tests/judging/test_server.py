"""The server of these tests on its own: told to misbehave over HTTP, counting what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

from rldsl.rewards.judging.question import Answered
from rldsl.rewards.outcome import Failure
from tests.judging.given import judge_at, questions


def test_it_runs_as_a_process_follows_a_script_and_counts() -> None:
    command = [sys.executable, "-m", "tests.judging.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        root = url.removesuffix("/v1")
        script = json.dumps([{"Status": {"code": 400}}, {"Verdict": {}}, {"TwoVerdicts": {}}]).encode()
        urllib.request.urlopen(urllib.request.Request(f"{root}/script", script, method="POST")).close()
        with judge_at(url, connections=1) as judge:
            found = judge.ask(questions(4))
        with urllib.request.urlopen(f"{root}/counts") as counts:
            assert json.load(counts) == {"calls": 4, "largest": 1}
        process.terminate()
    assert [type(entry) for entry in found] == [Failure, Answered, Failure, Answered]
