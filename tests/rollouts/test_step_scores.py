"""`prm(scorer, s, …)`: each number is that of the scorer on what stands up to the end of a step, and of nothing behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForSequenceClassification

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Invocation, ModelSpec, Role
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.run import HostCalls
from rldsl.rewards.step_scores import StepScores, shown
from rldsl.rewards.step_settings import StepsShown
from rldsl.rewards.steps import pieces_of, split_texts
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.tokenizers import Codec
from rldsl.source import Span
from tests.rollouts.test_spans import bytes_vocabulary, sentence_pieces


def scorer(role: Role = Role.SCORER, positions: int = 40, **settings: object) -> LoadedModel:
    """A small one with random weights and a head that says something, the same ones each time."""
    origin = Invocation("tiny", (), (("layers", 2), ("width", 16), ("heads", 2), ("positions", positions), ("initial", 0.3),
                                     ("tokenizer", Invocation("characters", ("abcdq|. ",)))))
    spec = ModelSpec("rm", role, origin, None, False, False, tuple(settings.items()), Span("test.rl", 0, 0))  # type: ignore[arg-type]
    model = load_model(spec, seed=3)
    if role is Role.SCORER:
        torch.nn.init.normal_(model.module.score.weight, generator=torch.Generator().manual_seed(1))
    return model


def scorer_with(codec: Codec) -> LoadedModel:
    """One that reads another vocabulary."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Qwen2ForSequenceClassification(Qwen2Config(
            vocab_size=len(codec.tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, num_labels=1, pad_token_id=None, initializer_range=0.3))
    return LoadedModel("rm", Role.SCORER, module.eval(), codec, False, (0,))


def upto(model: LoadedModel, ids: list[int]) -> float:
    """What transformers' own classifier says of these tokens."""
    with torch.no_grad():
        return float(model.module(input_ids=torch.tensor([ids])).logits[0, 0])


def letters(model: LoadedModel, text: str) -> list[int]:
    return [model.codec.names.index(letter) for letter in text]


def asked(model: LoadedModel, texts: list[str], questions: list[str] | None = None, tag: str = "", join: str | None = None,
          **split: object) -> list[Any]:
    """The scores of the steps of all texts, one after the other."""
    cut = split or {"at": "|"}
    steps = [(text, number, step) for text, places in zip(texts, split_texts(cut, texts), strict=True)
             for number, step in enumerate(places.values)]  # type: ignore[union-attr]
    columns: dict[str, list[Any]] = {"step": [step for _, _, step in steps], "text": [text for text, _, _ in steps],
                                     "place": [float(number) for _, number, _ in steps]}
    if questions is not None:
        columns["question"] = [questions[texts.index(text)] for text, _, _ in steps]
    operation = Foreign("step_scores:rm", tuple(columns), StepsShown(cut, tag, join).constants)
    assert StepsShown.of(operation) == StepsShown(cut, tag, join)
    return StepScores(lambda name: model).answer(operation, list(columns.values())).values


def test_a_step_is_scored_at_its_last_letter_and_what_separates_it_is_read_behind_it() -> None:
    model = scorer()
    found = asked(model, ["ab|c|dd", "d"], ["qa", "q"])
    wanted = ["qaab", "qaab|c", "qaab|c|dd", "qd"]
    assert found == pytest.approx([upto(model, letters(model, text)) for text in wanted], rel=1e-4, abs=1e-5)
    assert len({round(number, 4) for number in found}) == 4


def test_with_a_tag_a_step_is_scored_at_the_last_letter_of_the_tag_behind_it() -> None:
    model = scorer()
    found = asked(model, ["ab|c |dd"], ["q"], tag=".q")
    wanted = ["qab.q", "qab.q|c.q", "qab.q|c.q |dd.q"]
    assert found == pytest.approx([upto(model, letters(model, text)) for text in wanted], rel=1e-4, abs=1e-5)


def test_steps_may_be_joined_by_another_text_than_the_answer_has() -> None:
    model = scorer()
    found = asked(model, [" ab | c|dd|"], ["q"], tag=".", join="")
    wanted = ["qab.", "qab.c.", "qab.c.dd."]
    assert found == pytest.approx([upto(model, letters(model, text)) for text in wanted], rel=1e-4, abs=1e-5)
    found = asked(model, ["ab| c"], None, join=" ")
    assert found == pytest.approx([upto(model, letters(model, text)) for text in ["ab", "ab c"]], rel=1e-4, abs=1e-5)


def test_an_empty_answer_is_one_step_that_ends_where_the_question_does_or_with_its_tag() -> None:
    model = scorer()
    assert asked(model, ["", "ab"], ["qa", "q"]) == pytest.approx(
        [upto(model, letters(model, "qa")), upto(model, letters(model, "qab"))], rel=1e-4, abs=1e-5)
    assert asked(model, [" | "], ["qa"], tag=".") == pytest.approx([upto(model, letters(model, "qa."))], rel=1e-4, abs=1e-5)
    alone = asked(model, ["", "ab"])
    assert isinstance(alone[0], Failure) and "`rm` has nothing to read" in alone[0].message
    assert alone[1] == pytest.approx(upto(model, letters(model, "ab")), rel=1e-4, abs=1e-5)


def test_what_stands_before_each_question_is_read_with_it_and_before_an_answer_without_one_too() -> None:
    model = scorer(system="dd")
    assert asked(model, ["ab"], ["q"]) == pytest.approx([upto(model, letters(model, "ddqab"))], rel=1e-4, abs=1e-5)
    assert asked(model, ["ab"]) == pytest.approx([upto(model, letters(model, "ddab"))], rel=1e-4, abs=1e-5)


def test_a_question_takes_the_scorer_s_chat_form_and_an_answer_without_one_takes_none() -> None:
    model = scorer()
    model.tokenizer.chat_template = ("{% for one in messages %}c{{ one.content }}.{% endfor %}"
                                     "{% if add_generation_prompt %}d{% endif %}")
    model = replace(model, chat=True, system="b")
    assert asked(model, ["ab"], ["q"]) == pytest.approx([upto(model, letters(model, "cb.cq.dab"))], rel=1e-4, abs=1e-5)
    assert asked(model, ["ab"]) == pytest.approx([upto(model, letters(model, "bab"))], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("codec", "texts"), [
    (bytes_vocabulary, ["naïve café — 𝛼\n\nthe cat 日本\n\n👍🏽", "x = 1\n\ny = 2\n\n", "日\n\n本", "a step. \n\nend"]),
    (sentence_pieces, ["the cat\n\nsat é", "a\n\n日本\n\nthe mat."])])
def test_the_token_of_an_end_is_the_one_that_completes_its_last_character(codec: Any, texts: list[str]) -> None:
    model = scorer_with(codec())
    for tag in ("", "<|end of step|>" if codec is bytes_vocabulary else " on"):
        found = iter(asked(model, texts, tag=tag, at="\n\n"))
        for text in texts:
            said, ends = shown(text, pieces_of({"at": "\n\n"}, text), tag, None)
            ids = model.codec.encode([said], start=False)[0].tolist()
            for end in ends:
                count = next(count for count in range(len(ids) + 1) if decoded(model.codec, ids[:count]).startswith(said[:end]))
                assert next(found) == pytest.approx(upto(model, ids[:count]), rel=1e-3, abs=1e-4)


def decoded(codec: Codec, ids: list[int]) -> str:
    return str(codec.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


@pytest.mark.parametrize(("split", "text", "wanted"), [
    ({"at": "ab"}, "xabb", ("x", "xabb")), ({"at": "ab"}, "abab b", ("abab b",)),
    ({"tag": "s"}, "<s>s</s>q<s> a", ("<s>s", "<s>s</s>q<s> a")),
    ({"pattern": "[0-9]+", "timeout": 5.0}, "1a 12 1", ("1a",)),
    ({"pattern": "[0-9]+", "timeout": 5.0}, "a1b2 b", ("a", "a1b", "a1b2 b"))])
def test_a_step_ends_where_what_it_says_does_even_if_a_separator_says_the_same(split: dict[str, Any], text: str,
                                                                               wanted: tuple[str, ...]) -> None:
    from rldsl.rewards.jobs import open_job
    from rldsl.rewards.steps import pattern_job
    job = pattern_job(split)
    separators = None if job is None else open_job(job.kind, job.settings).answer((text,))[2]
    said, ends = shown(text, pieces_of(split, text, separators), "", None)
    assert said == text
    assert tuple(text[:end] for end in ends) == wanted


def test_steps_that_a_judge_cut_end_where_what_they_say_does() -> None:
    model, shown_as = scorer(), StepsShown({"judge": "grader"}, tag=".")
    operation = Foreign("step_scores:rm", ("step", "text", "place"), shown_as.constants)
    columns = [["ab", "c", "", "a", "bc"], [" ab  c"] * 2 + ["  "] + ["abc"] * 2, [0.0, 1.0, 0.0, 0.0, 1.0]]
    found = StepScores(lambda name: model).answer(operation, columns)
    wanted = [" ab.", " ab.  c.", ".", "a.", "a.bc."]
    assert found.values == pytest.approx([upto(model, letters(model, text)) for text in wanted], rel=1e-4, abs=1e-5)
    assert StepScores(lambda name: model).identity(operation) is None


def test_an_answer_that_cannot_be_read_has_failed_and_the_others_have_not() -> None:
    model = scorer(positions=6)
    found = asked(model, ["ab|c", "abcd|dd", "x|a"], ["q", "q", "q"])
    assert found[:2] == pytest.approx([upto(model, letters(model, text)) for text in ["qab", "qab|c"]], rel=1e-4, abs=1e-5)
    assert all(isinstance(value, Failure) for value in found[2:])
    assert [value.kind for value in found[2:]] == [FailureKind.LIMIT] * 2 + [FailureKind.EXCEPTION] * 2
    assert found[2].message == "an answer has 8 tokens with its question, and `rm`, which reads it, has 6 positions"
    assert "does not know the character 'x'" in found[4].message


def called(model: LoadedModel, split: dict[str, Any], columns: list[list[Any]], folder: Path) -> list[Any]:
    """As the engine calls it, with the failures where they belong."""
    operation = Foreign("step_scores:rm", ("step", "text", "place"), StepsShown(split).constants)
    with HostCalls((), folder, services={"step_scores": StepScores(lambda name: model)}) as calls:
        found = calls.call(operation, columns)
    return [found.failed.get(place, value) for place, value in enumerate(found.values)]


def test_where_a_pattern_matches_is_found_under_its_deadline_and_not_in_this_process(tmp_path: Path) -> None:
    """The second text backtracks for minutes: its steps have failed, those of the first are read."""
    model, split = scorer(), {"pattern": "(d+)+q", "timeout": 0.5}
    columns = [["ab", "c", "d"], ["abdqc", "abdqc", "d" * 34], [0.0, 1.0, 0.0]]
    found = called(model, split, columns, tmp_path)
    assert found[:2] == pytest.approx([upto(model, letters(model, text)) for text in ("ab", "abdqc")], rel=1e-4, abs=1e-5)
    assert isinstance(found[2], Failure) and found[2].kind is FailureKind.TIMEOUT


def test_a_policy_scores_no_steps() -> None:
    found = asked(scorer(role=Role.POLICY), ["ab"])
    assert isinstance(found[0], Failure) and found[0].kind is FailureKind.SETUP
    assert "`rm` is a policy; steps are scored by a scorer" in found[0].message


def test_equal_answers_are_read_once_and_what_was_read_is_kept_until_the_weights_change(tmp_path: Path) -> None:
    model = scorer()
    operation = Foreign("step_scores:rm", ("step", "text", "place"), StepsShown({"at": "|"}).constants)
    columns = [["a", "b", "a", "b", "c"], ["a|b"] * 4 + ["c"], [0.0, 1.0, 0.0, 1.0, 0.0]]
    assert StepScores(lambda name: model).answer(operation, columns).computed == 2

    def computed() -> tuple[int, list[float]]:
        services: dict[str, Any] = {"step_scores": StepScores(lambda name: model)}
        with Keep(tmp_path) as keep, HostCalls((), tmp_path, services=services, keep=keep) as calls:
            found = calls.call(operation, columns)
            return found.computed, list(found.values)
    first = computed()
    assert first[0] == 3 and computed() == (0, first[1])
    with torch.no_grad():
        model.module.score.weight[0, 0] += 1e-3
    assert computed()[0] == 3
