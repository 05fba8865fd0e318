"""What serves a reward says at its start what it could not do later; and numbers that JSON has not have a name."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from rldsl.adapters.command import serve_file
from rldsl.adapters.trl import reward_function
from rldsl.adapters.verl import compute_score
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import load_scores
from rldsl.scores.serving import RewardServer
from tests.judging.server import JudgeServer

JUDGED = """\
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("nowhere")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))
rubric clear judged by grader { "It is short" weight 1 }
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 8 }
reward style = clear(y.text) else 0
"""
LARGE = JUDGED.replace("reward style = clear(y.text) else 0", """\
reward plain = text.length(y.text)
reward huge = exp(400 * plain)
reward listed = mean(each(huge, plain), per: sample)""")


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec that asks a judge."""
    monkeypatch.delenv("JUDGE_URL", raising=False)
    path = tmp_path / "mine.rl"
    path.write_text(JUDGED)
    return path


@pytest.mark.parametrize("begin", [reward_function, compute_score])
def test_a_judge_whose_address_is_not_known_is_said_when_a_trainer_loads_the_reward(spec: Path, begin: object) -> None:
    assert callable(begin)
    with pytest.raises(ScoreError, match="environment variable JUDGE_URL, which is not set"):
        begin(spec)


@pytest.mark.parametrize("begin", [reward_function, compute_score])
def test_a_judge_that_does_not_answer_is_said_too(spec: Path, begin: object, monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("JUDGE_URL", f"http://127.0.0.1:{port}/v1")
    assert callable(begin)
    with pytest.raises(ScoreError, match=f"judge `grader` cannot be reached\n why: nothing answers at http://127.0.0.1:{port}/v1"):
        begin(spec)


def test_a_judge_that_is_there_is_sent_nothing(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JudgeServer() as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        reward_function(spec)
        assert not server.calls


def test_serving_does_not_begin_without_a_judge(spec: Path, monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JUDGE_URL", f"http://127.0.0.1:{closed_port()}/v1")
    assert serve_file(spec, "0", None, (), None, {}) == 1
    said = capsys.readouterr()
    assert "judge `grader` cannot be reached" in said.err and said.out == ""


def test_a_function_that_is_not_there_is_said_when_a_trainer_loads_the_reward(spec: Path) -> None:
    spec.write_text(JUDGED.replace("clear(y.text) else 0", 'verify.python("nowhere:f", y.text, range: 0 .. 1) else 0'))
    with pytest.raises(ScoreError, match="cannot be used"):
        reward_function(spec)


def test_an_infinite_reward_has_a_name_in_its_row_and_leaves_the_others_alone(spec: Path) -> None:
    """exp(400) is a number, exp(800) is none: the first of the rows has one character, the second two."""
    spec.write_text(LARGE)
    rows = [{"prompt": "q", "completion": text} for text in ("a", "ab")]
    with load_scores(spec, "listed") as scores, RewardServer(("127.0.0.1", 0), scores) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"{server.url}/score", json.dumps({"rows": rows}).encode(), timeout=60) as answer:
                first, second = json.loads(answer.read())["completions"]
        finally:
            server.shutdown()
            thread.join()
    assert first["states"]["huge"] == "value" and first["values"]["huge"] == pytest.approx(5.221469689764144e173)
    assert (second["states"]["huge"], second["values"]["huge"]) == ("infinite", None)
    assert (second["states"]["listed"], second["states"]["plain"], second["values"]["plain"]) == ("infinite", "value", 2)
