"""A model of this process as a judge: in form by construction, the same whatever is asked beside, within a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rldsl.rewards.judging.forms import Fixed, NoForm, OneOf, Text, form_of
from rldsl.rewards.judging.judge import Judge, Judges
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.judging.replies import parse_reply
from rldsl.rewards.judging.writer import Alphabet, Writing
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Codec, characters
from tests.judging.specs import models_of

PRINTABLE = "".join(map(chr, range(32, 127))) + "\\n"
SMALL = "positions: 1200, layers: 1, width: 32"
SAME = f"{SMALL}, seed: 3"  # the same weights whatever the run's seed is
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["verdict", "points", "sure", "quote"],
    "properties": {"verdict": {"enum": ["yes", "no", "yes and no"]}, "points": {"type": "integer", "minimum": 1, "maximum": 10},
                   "sure": {"type": "boolean"}, "quote": {"type": "string", "maxLength": 12}},
}


def spec(also: str = "", model: str = SMALL) -> str:
    """A local judge of random weights."""
    alphabet = PRINTABLE.replace("\\n", "\n").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'judge local from tiny({model}, tokenizer: characters("{alphabet}")) {{ max_tokens: 120, {also} }}'


def judges(text: str, keep: Keep | None = None, seed: int = 0) -> Judges:
    return Judges(models_of(text).values(), keep=keep, seed=seed)


def asked(text: str, questions: list[Question], seed: int = 0) -> list[Answered | Failure]:
    with judges(text, seed=seed) as opened:
        return opened.of("local").ask(questions)


def question(text: str, draw: int = 0, schema: Mapping[str, Any] = SCHEMA) -> Question:
    return Question("You judge.", text, schema, draw)


def values(found: list[Answered | Failure]) -> list[Mapping[str, Any]]:
    assert all(isinstance(entry, Answered) for entry in found), found
    return [entry.value for entry in found if isinstance(entry, Answered)]


# ------------------------------------------------------------ forms
def test_a_form_has_what_is_fixed_and_what_is_open() -> None:
    assert form_of(SCHEMA) == (
        Fixed('{"verdict": '), OneOf(('"yes",', '"no",', '"yes and no",')), Fixed(' "points": '),
        OneOf(tuple(f"{number}," for number in range(1, 11))), Fixed(' "sure": '), OneOf(("true,", "false,")),
        Fixed(' "quote": "'), Text(12), Fixed('"}'))


def test_nested_forms_and_hundredths() -> None:
    schema = {"type": "object", "properties": {
        "all": {"type": "array", "minItems": 2, "maxItems": 2, "items": {
            "type": "object", "properties": {"id": {"const": 3}, "share": {"type": "number", "minimum": 0, "maximum": 0.02}}}}}}
    assert form_of(schema) == (
        Fixed('{"all": [{"id": 3, "share": '), OneOf(("0}", "0.01}", "0.02}")), Fixed(', {"id": 3, "share": '),
        OneOf(("0}", "0.01}", "0.02}")), Fixed("]}"))


@pytest.mark.parametrize(("part", "says"), [
    ({"type": "string", "pattern": "a+"}, "`pattern`"),
    ({"type": "integer", "minimum": 0}, "no bounds"),
    ({"type": "integer", "minimum": 0, "maximum": 10_000}, "not 1 to 1001"),
    ({"type": "array", "items": {"type": "boolean"}}, "no fixed length"),
    ({"anyOf": [{"type": "string"}]}, "`type: null`"),
    ({"type": ["string", "null"]}, "none that is known"),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "`exclusiveMinimum`"),
])
def test_what_has_no_form_says_why(part: dict[str, Any], says: str) -> None:
    with pytest.raises(NoForm, match=says):
        form_of({"type": "object", "properties": {"x": part}})


def bytes_tokenizer() -> PreTrainedTokenizerFast:
    """A small vocabulary of pieces of several characters and parts of characters, as real ones have."""
    single = list(pre_tokenizers.ByteLevel.alphabet())
    pieces = ['{"', '":', '",', '"}', "ye", "yes", "Ġno", "no", "fal", "se", "true", "10", "0.", '",Ġ"', "ab", "abc", "Ġa"]
    vocabulary = {piece: place for place, piece in enumerate(["<eos>", *sorted(single), *pieces])}
    merges = [("{", '"'), ('"', ":"), ('"', ","), ('"', "}"), ("y", "e"), ("ye", "s"), ("n", "o"), ("Ġ", "no"), ("1", "0"),
              ("a", "b"), ("ab", "c")]
    backend = Tokenizer(models.BPE(vocabulary, [pair for pair in merges if "".join(pair) in vocabulary]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    build: Any = PreTrainedTokenizerFast
    found: PreTrainedTokenizerFast = build(tokenizer_object=backend, eos_token="<eos>", clean_up_tokenization_spaces=False)
    return found


ALPHABETS = {"characters": Alphabet(Codec.of(characters("".join(map(chr, range(32, 127))) + "é\n"))),
             "bytes": Alphabet(Codec.of(bytes_tokenizer()))}

parts = st.recursive(
    st.one_of(
        st.lists(st.one_of(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=5), st.integers(-20, 20),
                           st.booleans(), st.none()), min_size=1, max_size=4).map(lambda entries: {"enum": entries}),
        st.tuples(st.integers(-30, 30), st.integers(0, 40)).map(
            lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}),
        st.tuples(st.integers(-5, 5), st.integers(0, 9)).map(
            lambda pair: {"type": "number", "minimum": pair[0], "maximum": pair[0] + pair[1]}),
        st.just({"type": "boolean"}), st.integers(0, 9).map(lambda most: {"type": "string", "maxLength": most})),
    lambda inner: st.one_of(
        st.tuples(inner, st.integers(0, 3)).map(
            lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1], "maxItems": pair[1]}),
        st.dictionaries(st.sampled_from(["a", "b", "c d", 'e"f']), inner, max_size=3).map(
            lambda entries: {"type": "object", "properties": entries, "required": list(entries), "additionalProperties": False})),
    max_leaves=6)
schemas = st.dictionaries(st.sampled_from(["x", "y", "z"]), parts, max_size=3).map(
    lambda entries: {"type": "object", "properties": entries, "required": list(entries), "additionalProperties": False})


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", ALPHABETS)
@given(schema=schemas, data=st.data())
@settings(max_examples=120)
def test_whatever_is_chosen_of_what_is_allowed_the_reply_fits(name: str, schema: dict[str, Any], data: st.DataObject) -> None:
    alphabet = ALPHABETS[name]
    writing, tokens = Writing(alphabet, form_of(schema)), list[int]()
    while not writing.is_done:
        firsts, mask = writing.allowed()
        choices = sorted({*firsts, *([] if mask is None else mask.nonzero()[:, 0].tolist())})
        assert choices
        tokens.append(data.draw(st.sampled_from(choices)))
        writing.push(tokens[-1])
        assert len(tokens) < 2000
    codec = alphabet.codec
    text = codec.decode(np.array(tokens, dtype=np.int64), np.array([0, len(tokens)], dtype=np.int64))[0]
    value = parse_reply(text, schema)
    assert Draft202012Validator(schema).is_valid(value)


def test_every_option_can_be_written() -> None:
    for alphabet in ALPHABETS.values():
        for option in ('"yes",', '"no",', "10}", "-3,", "false]"):
            assert "".join(alphabet.surfaces[token] for token in alphabet.written(option)) == option


def test_a_tokenizer_without_braces_says_so() -> None:
    alphabet = Alphabet(Codec.of(characters("abc")))
    with pytest.raises(ModelError, match=r"no token for '\{'"):
        Writing(alphabet, form_of(SCHEMA))


# ------------------------------------------------------------ answers
def test_random_weights_give_verdicts_in_form() -> None:
    found = asked(spec(), [question(f"{number}") for number in range(5)])
    for value in values(found):
        assert Draft202012Validator(SCHEMA).is_valid(value)
    first = found[0]
    assert isinstance(first, Answered)
    assert json.loads(first.reply) == first.value
    assert (first.cost.calls, first.cost.tokens_out) == (1, len(first.reply))  # a character is a token here


def test_greedy_replies_do_not_depend_on_seed_draw_or_neighbours() -> None:
    alone = values(asked(spec(), [question("3")]))
    others = [question(f"{'long ' * number}{number}") for number in (0, 1, 2)]
    among = values(asked(spec("seed: 9"), [*others, question("3", draw=4)]))
    assert alone[0] == among[3]


def test_drawn_replies_depend_on_the_seed_and_the_draw_and_not_on_neighbours() -> None:
    text = spec("temperature: 1, seed: 1", SAME)
    votes = values(asked(text, [question("3", draw) for draw in range(6)]))
    assert len({json.dumps(vote) for vote in votes}) > 1
    assert values(asked(text, [question("something else"), question("3", 2)]))[1] == votes[2]
    assert values(asked(text, [question("3", draw) for draw in range(6)], seed=5)) == votes
    assert values(asked(spec("temperature: 1, seed: 2", SAME), [question("3", draw) for draw in range(6)])) != votes


def test_a_choice_is_drawn_by_what_the_model_gives_to_each() -> None:
    schema = {"type": "object", "properties": {"verdict": {"enum": ["a", "b"]}}, "required": ["verdict"]}
    with judges(spec("temperature: 1, seed: 1")) as opened:
        judge = opened.of("local")
        drawn = [value["verdict"] for value in values(judge.ask([question("3", draw, schema) for draw in range(400)]))]
        source: Any = judge._source
        model, prepared = source.model, source._prepare(0, question("3", 0, schema))
        prompt = [*prepared.prompt.tolist(), *model.codec.encode(['{"verdict": "'], start=False)[0].tolist()]
        with torch.no_grad():
            logits = model.module(torch.tensor([prompt])).logits[0, -1]
        a, b = (int(model.codec.encode([letter], start=False)[0][0]) for letter in "ab")
        expected = float(torch.softmax(logits[[a, b]], 0)[0])
    assert abs(drawn.count("a") / 400 - expected) < 4 * (expected * (1 - expected) / 400) ** 0.5


def test_without_a_form_random_weights_say_nothing_that_can_be_read() -> None:
    found = asked(spec("structured: none"), [question("3"), question("4")])
    assert [entry.kind for entry in found if isinstance(entry, Failure)] == [FailureKind.MALFORMED] * 2


def test_a_schema_without_a_form_is_refused_where_a_form_is_asked_for() -> None:
    loose = {"type": "object", "properties": {"why": {"type": "string", "pattern": "a"}}, "required": ["why"]}
    [strict] = asked(spec("structured: schema"), [question("3", schema=loose)])
    [auto] = asked(spec(), [question("3", schema=loose)])
    assert isinstance(strict, Failure)
    assert (strict.kind, "write `structured: none`" in strict.message) == (FailureKind.REFUSED, True)
    assert isinstance(auto, Failure)
    assert auto.kind is FailureKind.MALFORMED


@pytest.mark.parametrize(("text", "kind", "says"), [
    ("漢", FailureKind.REFUSED, "does not know the character '漢'"),
    ("\x00", FailureKind.REFUSED, "does not know the character"),
    ("\ud800", FailureKind.REFUSED, "does not know the character"),
    ("x" * 2000, FailureKind.REFUSED, "has 1200 positions"),
])
def test_what_a_model_cannot_read_is_refused_alone(text: str, kind: FailureKind, says: str) -> None:
    bad, good = asked(spec(), [question(text), question("fine")])
    assert isinstance(bad, Failure)
    assert (bad.kind, says in bad.message) == (kind, True)
    assert isinstance(good, Answered)


def test_a_reply_that_is_cut_is_malformed() -> None:
    [found] = asked(spec().replace("max_tokens: 120", "max_tokens: 20"), [question("3")])
    assert isinstance(found, Failure)
    assert (found.kind, "as many tokens as `max_tokens`" in found.message) == (FailureKind.MALFORMED, True)


def test_a_budget_holds_for_a_local_judge() -> None:
    with judges(spec("most_calls: 3")) as opened:
        judge = opened.of("local")
        found = judge.ask([question(f"{number}") for number in range(8)])
        assert [isinstance(entry, Answered) for entry in found].count(True) == judge.spent.calls == 3
    assert {entry.kind for entry in found if isinstance(entry, Failure)} == {FailureKind.BUDGET}


def test_answers_are_kept_by_the_weights(tmp_path: Path) -> None:
    with Keep(tmp_path) as keep:
        first = [entry.kept for entry in ask_kept(spec(), keep)]
        again = [entry.kept for entry in ask_kept(spec("retries: 1"), keep)]
        other = [entry.kept for entry in ask_kept(spec(), keep, seed=1)]  # other random weights
    assert (first, again, other) == ([False], [True], [False])


def ask_kept(text: str, keep: Keep, seed: int = 0) -> list[Answered]:
    with judges(text, keep, seed) as opened:
        return [entry for entry in opened.of("local").ask([question("3")]) if isinstance(entry, Answered)]


def test_weights_that_are_trained_are_asked_anew(tmp_path: Path) -> None:
    text = spec().replace("judge local", "policy actor").replace("{ max_tokens: 120,  }", "") + \
        '\njudge local = actor with { max_tokens: 120, system: "Be strict." }\njudge old = frozen(actor) { max_tokens: 120 }'
    with Keep(tmp_path) as keep, judges(text, keep) as opened:
        for name, is_kept in (("local", False), ("old", True)):
            judge: Judge = opened.of(name)
            judge.ask([question("3")])
            [found] = judge.ask([question("3")])
            assert isinstance(found, Answered)
            assert found.kept is is_kept


def test_a_snapshot_that_is_given_other_weights_is_asked_anew(tmp_path: Path) -> None:
    with Keep(tmp_path) as keep, judges(spec(), keep) as opened:
        judge = opened.of("local")
        source: Any = judge._source
        first = [entry.kept for entry in judge.ask([question("3")]) + judge.ask([question("3")]) if isinstance(entry, Answered)]
        with torch.no_grad():
            next(iter(source.model.module.parameters())).mul_(1.5)
        then = [entry.kept for entry in judge.ask([question("3")]) + judge.ask([question("3")]) if isinstance(entry, Answered)]
    assert (first, then) == ([False, True], [False, True])
