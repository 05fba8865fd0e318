"""Models that read texts: rewards from embedders in whole runs, from embedders and scorers over texts of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import rldsl
from rldsl.rewarding import RewardError
from rldsl.rewards.models import load_named
from rldsl.rollouts.encode import encode_texts
from rldsl.train.outcome import Ending
from tests.train.specs import GRPO, HEAD, ROLLOUT, TRAIN, numbers_of, run

TINY = 'tiny(layers: 1, width: 16, heads: 2, initial: 0.3, tokenizer: characters("abcd<>peos"))'
TEXTS = f"""
import std.contrast (contrast, novelty)
embedder enc from {TINY} {{ pooling: last }}
reward near = contrast(enc, y.text, toward: problems.answer, away: "dcba")
reward fresh = novelty(similarity(enc, y.text, others(y.text, per: prompt))) else 0
"""
SCORED = f"""
data problems from jsonl("p.jsonl") {{ question: Text  answer: Text target }}
policy actor from {TINY}
scorer rm from hf("scorer")
embedder enc from {TINY}
rollout y ~ actor("a" + problems.question) {{ samples: 2, max_tokens: 8 }}
reward liked = score(rm, y)
reward after = score(rm, y given problems.answer)
reward near = similarity(enc, y.text, problems.answer)
reward total = liked + near
reward worst = min(each(liked, near, after), per: sample)
"""


def test_a_run_is_rewarded_by_what_an_embedder_says(tmp_path: Path) -> None:
    text = HEAD + ROLLOUT + TEXTS + GRPO.replace("places", "near") + TRAIN
    assert run(text, tmp_path).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert all(-2 <= line["rewards/near/mean"] <= 2 and 0 <= line["rewards/fresh/mean"] <= 2 for line in lines)
    assert all(line["rewards/near/std"] > 0 for line in lines)
    run(text, tmp_path, out="again", stop_after=2)
    run(text, tmp_path, out="again", resume=True)
    assert numbers_of(tmp_path / "again") == lines


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> rldsl.Program:
    """A spec whose scorer has a head that says something."""
    from rldsl.graph.spec import Invocation, ModelSpec, Role
    from rldsl.rollouts.models import load_model
    from rldsl.source import Span
    folder = tmp_path_factory.mktemp("project")
    origin = Invocation("tiny", (), (("layers", 1), ("width", 16), ("heads", 2), ("initial", 0.3),
                                     ("tokenizer", Invocation("characters", ("abcd>",)))))
    model = load_model(ModelSpec("rm", Role.SCORER, origin, None, False, False, (), Span("", 0, 0)), seed=5)
    torch.nn.init.normal_(model.module.score.weight, generator=torch.Generator().manual_seed(1))
    model.module.save_pretrained(folder / "scorer")
    model.tokenizer.save_pretrained(folder / "scorer")
    return rldsl.compile(SCORED, project=folder)


def score_alone(program: rldsl.Program, prompt: str, text: str, ended: bool) -> float:
    """The scorer's module on one text, by hand: prompt, text, end token, and the head at the last."""
    model = load_named(program.spec, ["rm"], program.project, 0)["rm"]
    ids = [*model.codec.encode([prompt], start=True)[0].tolist(), *model.codec.encode([text], start=False)[0].tolist()]
    ids += [model.ends[0]] * ended
    with torch.no_grad():
        states = model.body(input_ids=torch.tensor([ids])).last_hidden_state
        return float(model.module.score(states)[0, -1, 0])


def test_a_scorer_reads_texts_that_nobody_sampled_here(program: rldsl.Program) -> None:
    texts, questions, answers = ["ab", "dcb", "a", "abcd"], ["cd>", "b>"], ["cd", "b"]
    nodes = program.reward("total").nodes(texts, samples=2, question=questions, answer=answers)
    prompts = [f"a{questions[place // 2]}" for place in range(4)]
    expected = [score_alone(program, prompt, text, True) for prompt, text in zip(prompts, texts, strict=True)]
    np.testing.assert_allclose(nodes["liked"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(nodes["total"], nodes["liked"] + nodes["near"], rtol=1e-6)
    assert np.std(nodes["liked"]) > 1e-3


def test_a_text_that_was_cut_has_no_end(program: rldsl.Program) -> None:
    found = program.reward("liked")(["ab", "ab"], question=["c>", "c>"], finished=[True, False])
    expected = [score_alone(program, "ac>", "ab", ended) for ended in (True, False)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(RewardError, match="`finished` has 1 values for 2 texts"):
        program.reward("liked")(["ab", "ab"], question=["c>", "c>"], finished=[True])
    with pytest.raises(RewardError, match="answer 2 has no text and no end"):
        program.reward("liked")(["ab", ""], question=["c>", "c>"], finished=[True, False])


def test_a_score_may_be_after_another_text_and_the_worst_of_several_may_count(program: rldsl.Program) -> None:
    nodes = program.reward("worst").nodes(["ab", "dd"], samples=2, question=["c>"], answer=["cd"])
    expected = [score_alone(program, "cd", text, True) for text in ("ab", "dd")]
    np.testing.assert_allclose(nodes["after"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(nodes["worst"], np.min([nodes["liked"], nodes["near"], nodes["after"]], axis=0), rtol=1e-6)


def test_an_embedder_compares_the_texts_themselves(program: rldsl.Program) -> None:
    found = program.reward("near")(["ab", "cd"], question=["c>", "d>"], answer=["ab", "ab"])
    model = load_named(program.spec, ["enc"], program.project, 0)["enc"]
    vectors, _ = encode_texts(model, ["ab", "cd"])
    np.testing.assert_allclose(found, [1, float(torch.cosine_similarity(vectors[0], vectors[1], dim=0))], rtol=1e-4)


def test_a_scorer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="scorer"):
        rldsl.compile(SCORED, project=tmp_path).reward("liked")
