"""What the rubrics of a spec ask, and what each criterion counts."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.explain.equation import Style, equation_of
from rldsl.graph.spec import CriterionSpec, RubricSpec, Spec
from rldsl.rewards.rubrics.asked import Asked
from rldsl.rewards.rubrics.scale import Scale

_SIGNS = {"weight": "+", "penalty": "-"}


def rubric_lines(spec: Spec) -> list[str]:
    """A heading for each rubric, a line for each criterion."""
    return [line for rubric in spec.rubrics for line in _lines(spec, rubric)]


def _lines(spec: Spec, rubric: RubricSpec) -> Iterator[str]:
    asked = Asked.read(rubric.asks)
    yield f"{rubric.name}, judged by {rubric.judge}: {', '.join(_asks(asked))}"
    if not rubric.criteria:
        yield f"  criteria come with each call, on {asked.scales[0]}"
    for criterion in rubric.criteria:
        yield f'  {_counts(spec, criterion)}  "{criterion.text}"  on {Scale.of(criterion.scale)}'


def _asks(asked: Asked) -> Iterator[str]:
    yield "one question for an answer" if asked.together else "a question for each criterion"
    if asked.votes > 1:
        yield f"{asked.votes} votes by {asked.votes_by}"
    yield from (word for word, is_so in (("shuffled", asked.shuffle), ("with reasons", asked.reason), ("with quotes", asked.quote))
                if is_so)


def _counts(spec: Spec, criterion: CriterionSpec) -> str:
    amount = equation_of(spec.graph, "", criterion.amount, Style.TEXT).right
    if criterion.mark in _SIGNS:
        return f"{_SIGNS[criterion.mark]}{amount}"
    return f"0 from {amount} on" if criterion.mark == "veto" else f"0 below {amount}"
