"""Nothing of a spec escapes a comparison: whoever adds a field says here, and in `rldsl/difference`, what a change of it is."""

from __future__ import annotations

from dataclasses import fields

import pytest

from rldsl.graph import spec, steps

# Where things stand and what they are called, not what they are; `text` of a guard is its condition as it is written.
ELSEWHERE = {"span", "source", "sources", "graph", "axes", "key", "name", "doc", "label", "text"}
COMPARED: dict[type, set[str]] = {
    # `tests` say what holds, `deferred` and `used_params` follow from the rest; samplers, buffers and plans as written
    spec.Spec: {"params", "data", "models", "responses", "rewards", "lets", "states", "externs", "rubrics", "objectives", "guards",
                "evals", "train", "plan", "tests", "deferred", "used_params"},
    spec.ParamSpec: {"type", "value"}, spec.FieldSpec: {"element", "target", "each"}, spec.DataSpec: {"source", "fields", "axis"},
    spec.ModelSpec: {"role", "origin", "base", "frozen", "shares_weights", "settings", "follows"},
    spec.ResponseSpec: {"model", "prompt", "text", "prompt_axis", "sample_axis", "token_axis", "settings", "deferred"},
    spec.NamedValue: {"held_out"}, spec.StateSpec: {"type", "initial", "next"}, spec.TermSpec: {"maximize"},
    spec.ObjectiveSpec: {"model", "terms", "lets"}, spec.GuardSpec: {"measure", "action"},
    spec.EvalSpec: {"data", "instead_of", "settings", "reports"}, spec.ExternSpec: {"source", "parameters", "result", "settings"},
    spec.RubricSpec: {"judge", "criteria", "asks"}, spec.CriterionSpec: {"text", "mark", "amount", "scale"},
    steps.Repeat: {"count", "body"}, steps.StageStep: {"body"}, steps.Every: {"count", "body"}, steps.When: {"condition", "body"},
    steps.Draw: {"count", "data", "sampler"}, steps.Update: {"model", "objective", "settings", "on"}, steps.Reset: {"model", "to"},
    steps.Evaluate: set(), steps.Save: set(), steps.Assign: {"state"},
}


@pytest.mark.parametrize("kind", COMPARED, ids=lambda kind: kind.__name__)
def test_every_field_is_known_to_comparisons(kind: type) -> None:
    found = {part.name for part in fields(kind)} - (ELSEWHERE - COMPARED[kind])
    assert found == COMPARED[kind], f"say in rldsl/difference what a change of {kind.__name__} means, and list its fields here"


def test_every_declaration_and_step_is_listed() -> None:
    others = {"Schedule", "Amount", "Invocation", "GivenValue", "ExpectSpec", "TestSpec", "Deferred", "Average", "Stored"}
    declared = {name for module in (spec, steps) for name, entry in vars(module).items()
                if isinstance(entry, type) and hasattr(entry, "__dataclass_fields__") and entry.__module__ == module.__name__}
    assert declared - others == {kind.__name__ for kind in COMPARED}
