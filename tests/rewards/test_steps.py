"""Texts cut into steps: what a step says, where it starts, what is none; calls that give a list for each item."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.places import Places
from rldsl.rewards.run import Answers, HostCalls
from rldsl.rewards.signatures import Result
from rldsl.rewards.steps import split_texts
from rldsl.types import Element

PATTERN = (("pattern", "[.!] *"), ("timeout", 5.0))


def steps(text: str, **settings: Any) -> tuple[tuple[Any, ...], tuple[int, ...] | None]:
    [found] = split_texts(settings, [text])
    assert isinstance(found, Places)
    return found.values, found.starts


# ------------------------------------------------------------------ what is a step
@pytest.mark.parametrize(("text", "said", "starts"), [
    ("one\n\ntwo\n\nthree", ("one", "two", "three"), (0, 5, 10)),
    ("one", ("one",), (0,)),
    ("", ("",), (0,)),
    ("\n\n", ("",), (0,)),
    ("\n\none\n\n", ("one",), (0,)),               # what precedes the first belongs to it, what follows the last to that
    ("one\n\n\n\n two ", ("one", "two"), (0, 7)),  # an empty piece is none; white space around a step is not said
])
def test_a_separator_belongs_to_the_step_before(text: str, said: tuple[str, ...], starts: tuple[int, ...]) -> None:
    assert steps(text, at="\n\n") == (said, starts)


@pytest.mark.parametrize(("text", "said", "starts"), [
    ("<step>a</step>\n<step>b</step> so c", ("a", "b"), (0, 15)),
    ("well <step> a </step><step></step><step>c", ("a", "c"), (0, 34)),
    ("no step at all", ("no step at all",), (0,)),
    ("<step>a<step>b</step>", ("a", "b"), (0, 7)),  # one that is not closed ends where the next begins
    ("<step></step>", ("",), (0,)),
    ("<steps>a</steps>", ("<steps>a</steps>",), (0,)),
])
def test_a_tag_belongs_to_its_own_step(text: str, said: tuple[str, ...], starts: tuple[int, ...]) -> None:
    assert steps(text, tag="step") == (said, starts)


@given(st.text(alphabet="ab \n.", max_size=30), st.sampled_from(["\n", ".", "ab", " "]))
def test_every_text_has_steps_in_order_that_say_its_words(text: str, separator: str) -> None:
    said, starts = steps(text, at=separator)
    assert starts is not None and len(said) == len(starts) >= 1 and starts[0] == 0
    assert all(first < second for first, second in zip(starts[:-1], starts[1:], strict=True))
    if text.strip().replace(separator, "").strip():
        pieces = [piece.strip() for piece in text.split(separator) if piece.strip()]
        assert list(said) == pieces
        assert all(text[start:].lstrip().startswith(word) for start, word in zip(starts[1:], said[1:], strict=True))


# ------------------------------------------------------------------ calls
def test_each_item_gives_as_many_places_as_it_has_steps(calls: HostCalls) -> None:
    found = calls.call(Foreign("split", ("text",), (("at", ";"),)), [["a;b", None, "c"]])
    assert found.values == ["a", "b", None, "c"]
    assert found.counts is not None and found.counts.tolist() == [2, 1, 1]
    assert found.starts == (0, 2, 0, 0)
    assert not found.failed and found.absent == 1


def test_a_pattern_is_matched_in_a_process_with_a_deadline(calls: HostCalls) -> None:
    found = calls.call(Foreign("split", ("text",), PATTERN), [["one. two! three", "none"]])
    assert found.values == ["one", "two", "three", "none"]
    assert found.counts is not None and found.counts.tolist() == [3, 1]
    assert found.starts == (0, 5, 10, 0)


def test_a_pattern_that_backtracks_for_ever_fails_at_its_text_alone(calls: HostCalls) -> None:
    operation = Foreign("split", ("text",), (("pattern", "(a+)+b"), ("timeout", 0.5)))
    found = calls.call(operation, [["aab ac", "a" * 40]])
    assert found.values == ["ac", None] and found.counts is not None and found.counts.tolist() == [1, 1]
    assert {place: failure.kind for place, failure in found.failed.items()} == {1: FailureKind.TIMEOUT}


def test_no_item_has_no_place(calls: HostCalls) -> None:
    found = calls.call(Foreign("split", ("text",), (("at", ";"),)), [[]])
    assert found.values == [] and found.counts is not None and found.counts.tolist() == []


class Criteria:
    """A service that lists what is in a text."""

    def result(self, operation: Foreign) -> Result:
        return Result(Element.JSON)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        texts = columns[0]
        values = [Places(tuple({"name": word} for word in text.split())) if text != "?" else
                  Failure(FailureKind.REFUSED, "no list") for text in texts]
        return Answers(values, dict(enumerate(texts)), computed=len(texts))


def test_a_service_may_give_lists_too_even_empty_ones(tmp_path: Path) -> None:
    with HostCalls((), tmp_path, services={"criteria": Criteria()}) as calls:
        found = calls.call(Foreign("criteria:fair", ("rows",)), [["a b", "", None, "?"]])
    assert found.values == [{"name": "a"}, {"name": "b"}, None, None]
    assert found.counts is not None and found.counts.tolist() == [2, 0, 1, 1]
    assert {place: failure.kind for place, failure in found.failed.items()} == {3: FailureKind.REFUSED}
    assert found.evidence[0] == "a b" and found.evidence[3] == "?"
    assert np.array_equal(np.cumsum(found.counts), [2, 2, 3, 4])
