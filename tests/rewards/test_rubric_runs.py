"""Rubrics in training: judges of the policy's own weights, judges that cannot be asked, failures that are too many."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from rldsl.compiler import check_source
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.source import Source
from rldsl.train.outcome import Ending, RunError
from rldsl.train.runner import run_spec
from tests.judging.server import JudgeServer, Says

PROJECT = Path(__file__).parents[2] / "examples"
CHARACTERS = "".join(sign for sign in string.printable if sign.isprintable() and sign not in '"\\') + '\\"\\\\\\n'
SPEC = """
data problems from python("tasks.sort_letters:problems", count: 64, letters: 2) { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, positions: 2048, tokenizer: characters("CHARACTERS"))
JUDGE
rubric clear judged by grader { "It is short"  weight 1  "It repeats itself"  penalty 1 }
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 3 }
reward style = clear(y.text, question: problems.question)
let advantage = style - mean(style, per: prompt)
objective pg for actor { maximize gain: mean(logp(actor, y) * advantage) }
train { repeat 2 { draw 2 prompts  update actor with pg { optimizer: adamw(lr: 1e-3) } } }
"""
REMOTE = 'judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 2s, retries: 0 }'


def spec_of(judge: str, more: str = "") -> Spec:
    """The spec with that judge."""
    text = SPEC.replace("CHARACTERS", CHARACTERS).replace("JUDGE", judge, 1) + more
    result = check_source(Source("rubric.rl", text), project_loader(PROJECT))
    assert result.spec is not None and not result.errors, [entry.title for entry in result.errors]
    return result.spec


@pytest.mark.slow
def test_a_policy_may_judge_itself_and_nothing_of_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "kept"))
    own = spec_of("judge grader = actor with { max_tokens: 64 }")
    found = run_spec(own, project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch")
    assert found.ending is Ending.FINISHED and found.iteration == 2
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    means = [line["rewards/style/mean"] for line in lines if "rewards/style/mean" in line]
    assert len(means) == 2 and all(0 <= mean <= 1 for mean in means)
    from rldsl.rewards.judging.keep import Keep
    with Keep() as keep:
        assert keep.count("judge") == 0


def test_a_judge_without_an_address_is_refused_before_the_first_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_URL", raising=False)
    with pytest.raises(RunError, match="JUDGE_URL"):
        run_spec(spec_of(REMOTE), project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch")


def test_a_dry_run_says_how_often_the_judge_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations of two prompts with two answers each, each of one question; 512 tokens a reply."""
    with JudgeServer() as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        found = run_spec(spec_of(REMOTE), project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch", dry_run=True)
        assert not server.calls
    assert found.message.splitlines()[1:] == [
        "judge `grader`: at most 8 calls and 4,096 tokens out, evaluations and tries beside"]


def test_a_run_stops_where_verdicts_fail_and_the_spec_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "kept"))
    with JudgeServer([], then=Says("full marks")) as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        with pytest.raises(RunError, match=r"clear verdicts.*malformed"):
            run_spec(spec_of(REMOTE), project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch")


def test_verdicts_of_a_server_reach_the_metrics_with_what_they_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "kept"))
    with JudgeServer() as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        found = run_spec(spec_of(REMOTE), project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch")
        asked = len(server.calls)
    assert found.ending is Ending.FINISHED
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(line["time"].get("judge/calls", 0) for line in lines) == asked > 0
