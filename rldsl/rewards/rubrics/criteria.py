"""Criteria that come from the data, or from a model that wrote them: a JSON list of objects, read strictly.

`{"criterion": "…", "weight": 3}` counts for a text, with a weight below 0 against it (`points` is another name of `weight`: that of
HealthBench). `"kind"` says more: `weight`, `penalty` (its weight is taken off), `veto`, `gate`; a veto or gate may say from which
verdict on it holds (`"at": 0.5`). What else stands in an object is kept for people and not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rldsl.rewards.outcome import Failure, FailureKind

KINDS = ("weight", "penalty", "veto", "gate")
MOST_CRITERIA = 100


def read_criteria(written: Any) -> list[dict[str, Any]] | Failure:
    """The criteria of one row, each as an object with `criterion`, `weight` (0 for vetoes and gates), `kind` and `at`; or why it
    is no list of criteria. A text is read as JSON and as nothing else."""
    try:
        return _read(json.loads(written, parse_constant=_no_constant) if isinstance(written, str) else written)
    except (ValueError, RecursionError) as fault:
        return Failure(FailureKind.REFERENCE, f"no list of criteria: {fault}")


def criterion_text(criterion: Any) -> str:
    """What a judge is shown of a criterion."""
    return str(criterion["criterion"])


def criterion_weight(criterion: Any) -> float:
    """Its weight: below 0 for a penalty, 0 for what only closes."""
    return float(criterion["weight"])


def criterion_threshold(criterion: Any, kind: str) -> float | None:
    """From which verdict on a `veto` holds or a `gate` is open; None for what is of another kind."""
    return float(criterion["at"]) if criterion["kind"] == kind else None


def _read(written: Any) -> list[dict[str, Any]]:
    if not isinstance(written, list):
        raise ValueError(f"a list is needed, and this is {_named(written)}")
    if not written or len(written) > MOST_CRITERIA:
        raise ValueError(f"it has {len(written)} criteria; 1 to {MOST_CRITERIA} can be judged")
    found = [_one(entry, place + 1) for place, entry in enumerate(written)]
    _check_whole(found)
    return found


def _one(entry: Any, place: int) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"criterion {place} is {_named(entry)}, not an object")
    text, kind = entry.get("criterion"), entry.get("kind", "weight")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'criterion {place} has no text "criterion"')
    if kind not in KINDS:
        raise ValueError(f'the kind of criterion {place} is none of {", ".join(KINDS)}')
    closes = kind in ("veto", "gate")
    weight = 0.0 if closes else _weight(entry, place)
    if kind == "penalty" and weight <= 0:
        raise ValueError(f"the penalty of criterion {place} is {weight:g}; a penalty is above 0 and taken off")
    return {"criterion": text, "kind": kind, "weight": -weight if kind == "penalty" else weight,
            "at": _threshold(entry, place) if closes else None}


def _weight(entry: Mapping[str, Any], place: int) -> float:
    given = [entry[name] for name in ("weight", "points") if name in entry]
    if len(given) != 1:
        raise ValueError(f'criterion {place} needs one of "weight" and "points"')
    weight = _number(given[0])
    if weight is None or weight == 0:
        raise ValueError(f"the weight of criterion {place} is no number other than 0")
    return weight


def _threshold(entry: Mapping[str, Any], place: int) -> float:
    threshold = _number(entry.get("at", 1))
    if threshold is None or not 0 < threshold <= 1:
        raise ValueError(f'"at" of criterion {place} does not lie in (0, 1]')
    return threshold


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _check_whole(criteria: Sequence[Mapping[str, Any]]) -> None:
    texts = [entry["criterion"] for entry in criteria]
    doubled = next((text for place, text in enumerate(texts) if text in texts[:place]), None)
    if doubled is not None:
        raise ValueError(f"the criterion {json.dumps(doubled[:40])} stands there twice")
    weights = [entry["weight"] for entry in criteria]
    if min(weights) < 0 and max(weights) <= 0:
        raise ValueError("all its weights are below 0, so that there is nothing to take them off")


def _named(value: Any) -> str:
    return {"dict": "an object", "str": "a text", "NoneType": "null", "bool": "a truth value"}.get(type(value).__name__, "a number")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
