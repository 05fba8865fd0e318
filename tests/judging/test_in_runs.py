"""Judges of whole specs: loaded or left alone by a run, asked where a reward needs them, in no file that they should not be in."""

from __future__ import annotations

from pathlib import Path

import pytest

import rldsl
from rldsl.rewards.judging.judge import Judges
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.local import loader
from rldsl.train.engine import load_models
from tests.judging.given import KEY
from tests.judging.server import JudgeServer
from tests.train.specs import WHOLE, lines_of, project_of, run, spec_of

JUDGES = '''
judge far from openai(model: "m", base_url: env("JUDGE_URL"), key: env("JUDGE_KEY"))
judge own = actor with { max_tokens: 8, system: "ab" }
judge old = frozen(actor) { max_tokens: 8 }
judge slow = ema(actor, rate: 0.1) { max_tokens: 8 }
judge apart from hf("models/judge")
'''


def test_judges_that_nobody_asks_change_nothing_and_need_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_URL", raising=False)
    monkeypatch.setenv("JUDGE_KEY", KEY)
    run(WHOLE, tmp_path, out="without", seed=3)
    run(WHOLE + JUDGES, tmp_path, out="with", seed=3)
    assert lines_of(tmp_path / "with")[1:] == lines_of(tmp_path / "without")[1:]
    names = {path.name for path in tmp_path.glob("with/checkpoints/*/models/*")}
    assert names == {"actor", "old", "slow"}  # made from what is trained: a resumed run needs them as they were
    assert all(KEY.encode() not in path.read_bytes() for path in (tmp_path / "with").rglob("*") if path.is_file())


def test_a_judge_of_trained_weights_is_the_policy_itself(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project")
    spec = spec_of(WHOLE + JUDGES, project)
    models = load_models(spec, project, 0)
    assert set(models) == {"actor", "own", "old", "slow"}
    with Judges(spec.models, keep=None, load=loader({entry.name: entry for entry in spec.models}, seed=0, root=project,
                                                    loaded=models)) as judges:
        own, old, slow = (judges.of(name)._source for name in ("own", "old", "slow"))
    assert own.model.module is models["actor"].module  # type: ignore[attr-defined]
    assert old.model is models["old"]  # type: ignore[attr-defined]
    assert old.model.module is not models["actor"].module  # type: ignore[attr-defined]
    assert [judge.identity is None for judge in (own, old, slow)] == [True, False, True]


GATED = '''
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("models/policy")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { timeout: 5s, most_calls: 20 }
rubric clear judged by grader { "Every step follows from the one before" weight 1 }
rollout y ~ actor(problems.question) { max_tokens: 64 }
reward right = verify.equal(y.text, problems.answer)
reward style = clear(y.text, question: problems.question)
reward gated = right * style
'''


@pytest.mark.parametrize(("name", "calls"), [("style", 12), ("gated", 6)])
def test_a_factor_that_closes_half_of_the_answers_halves_the_calls_and_a_second_run_makes_none(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
    texts = [f"{number}" for number in range(12)]
    columns = {"question": [f"what is {text}?" for text in texts], "answer": [text if int(text) % 2 else "none" for text in texts]}
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))
    found = []
    with JudgeServer() as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        for _ in range(2):
            reward = rldsl.compile(GATED).reward(name)
            found.append(reward(texts, **columns).tolist())
            reward.close()
            assert len(server.calls) == calls
    assert found[0] == found[1]
    assert set(found[0]) == {0.0, 1.0}
    if name == "gated":
        assert all(value == 0 for value in found[0][::2])


def test_a_rubric_is_judged_by_a_model_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "".join(map(chr, range(32, 127))).replace("\\", "\\\\").replace('"', '\\"') + "\\n"
    local = f'judge grader from tiny(layers: 1, width: 16, heads: 2, positions: 4096, tokenizer: characters("{letters}"))'
    spec = "\n".join(local if line.startswith("judge") else line for line in GATED.splitlines())
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))
    columns = {"question": ["a", "b"], "answer": ["1", "2"]}
    found = []
    for _ in range(2):
        reward = rldsl.compile(spec).reward("style")
        found.append(reward(["1", "2"], **columns).tolist())
        reward.close()
    assert found[0] == found[1]
    assert set(found[0]) <= {0.0, 1.0}
    with Keep(tmp_path / "rewards") as keep:
        assert keep.count("judge") == 2


@pytest.mark.slow
def test_a_policy_in_training_judges_its_own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "".join(map(chr, range(32, 127))).replace("\\", "\\\\").replace('"', '\\"') + "\\n"
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    text = WHOLE.replace('tokenizer: characters("abcd>")', f'positions: 4096, tokenizer: characters("{letters}")').replace(
        "let advantage", """judge own = actor with { max_tokens: 40 }
rubric clear judged by own { "It is sorted" weight 1 }
reward style = clear(y.text, question: problems.question)
let advantage""").replace("places - mean(places, per: prompt)", "places + style - mean(places + style, per: prompt)").replace(
        "repeat 4", "repeat 2").replace("draw 8 prompts", "draw 2 prompts").replace("minibatch: 4 prompts", "minibatch: 2 prompts")
    assert run(text, tmp_path, seed=3).iteration == 2
    styles = [line["rewards/style/mean"] for line in lines_of(tmp_path / "run") if "rewards/style/mean" in line]
    assert len(styles) == 2
    assert all(0 <= style <= 1 for style in styles)
    with Keep(tmp_path / "cache" / "rewards") as keep:
        assert keep.count("judge") == 0  # the weights move: what they said is no answer of theirs tomorrow
