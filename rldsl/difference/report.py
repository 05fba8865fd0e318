"""A comparison for people and, as plain data, for programs. The keys of the latter are stable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rldsl.difference.model import (
    Change,
    Difference,
    ObjectiveDifference,
    PartDifference,
    SettingDifference,
    Status,
)
from rldsl.explain.report import COUPLING
from rldsl.types import Level

STEPS = ("added", "removed", "also", "no longer")  # of which the text alone is shown
SETTINGS = "Settings, which do not change what is optimised"


def text(difference: Difference) -> str:
    """The comparison on lines of text, ending in a newline."""
    lines = [f"{difference.before} → {difference.after}: "
             f"{'the same mathematics' if difference.is_same_mathematics else 'other mathematics'}"]
    for objective in difference.objectives:
        lines += ["", *_objective(objective)]
    for part in difference.values:
        lines += ["", *_value(part)]
    if difference.settings:
        lines += ["", SETTINGS, *_settings(difference.settings)]
    return "\n".join(lines) + "\n"


def _value(part: PartDifference) -> Iterator[str]:
    title = f"{part.kind} {part.name}{_status(part.status)}"
    if part.changes:
        yield title
        yield from _changes(part, "  ")
    else:
        yield f"{title}: through {', '.join(part.through)}"


def _objective(objective: ObjectiveDifference) -> Iterator[str]:
    yield f"objective {objective.name}{_status(objective.status)}"
    for part in objective.parts:
        yield f"  {part.name}{_status(part.status) if objective.status is Status.CHANGED else ''}"
        yield from _changes(part, "    ")
    if objective.coupling is not None:
        yield f"  coupling level {objective.coupling[0]} → {objective.coupling[1]}"
        yield f"    {COUPLING[Level[objective.coupling[1].upper()]].partition(':')[0]}"


def _status(status: Status) -> str:
    return "" if status is Status.CHANGED else f": {status.value}"


def _changes(part: PartDifference, margin: str) -> Iterator[str]:
    for change in part.changes:
        yield from _change(change, margin)
    if part.through:
        yield f"{margin}through {', '.join(part.through)}"


def _change(change: Change, margin: str) -> Iterator[str]:
    if change.meaning:
        yield margin + change.meaning
        margin += "  "
    if change.before is not None:
        yield f"{margin}- {change.before}"
    if change.after is not None:
        yield f"{margin}+ {change.after}"


def _settings(settings: Iterable[SettingDifference]) -> Iterator[str]:
    groups: dict[str, list[SettingDifference]] = {}
    for setting in settings:
        groups.setdefault(setting.where, []).append(setting)
    for where, entries in groups.items():
        if len(entries) == 1 and not entries[0].before and not entries[0].after:
            yield f"  {where}: {entries[0].what}"
        else:
            yield f"  {where}"
            yield from (line for setting in entries for line in _setting(setting))


def _setting(setting: SettingDifference) -> Iterator[str]:
    match setting.before, setting.after:
        case (None, None) | ("", None) | (None, "") | ("", ""):
            yield f"    {setting.what}"
        case before, after if setting.what not in STEPS and len(before or "none") + len(after or "none") < 90:
            yield f"    {setting.what} {before or 'none'} → {after or 'none'}"
        case before, after:
            yield f"    {setting.what}"
            yield from (f"      {mark} {value}" for mark, value in (("-", before), ("+", after)) if value is not None)


# ------------------------------------------------------------------ plain data
def as_document(difference: Difference) -> dict[str, Any]:
    """The comparison as plain data."""
    return {
        "before": difference.before, "after": difference.after, "same_mathematics": difference.is_same_mathematics,
        "objectives": [{"name": objective.name, "status": objective.status.value,
                        "parts": [_part(part) for part in objective.parts],
                        "coupling": None if objective.coupling is None
                        else {"before": objective.coupling[0], "after": objective.coupling[1]}}
                       for objective in difference.objectives],
        "values": [_part(part) for part in difference.values],
        "settings": [{"where": setting.where, "what": setting.what, "before": setting.before, "after": setting.after}
                     for setting in difference.settings],
    }


def _part(part: PartDifference) -> dict[str, Any]:
    return {"kind": part.kind, "name": part.name, "status": part.status.value, "through": list(part.through),
            "changes": [{"meaning": change.meaning, "before": change.before, "after": change.after} for change in part.changes]}
