"""`rldsl export`: a small file by which another trainer calls a reward of a spec. The spec stays where the reward is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rldsl.emit.templates import render
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import load_scores

TEMPLATE: Final = "adapters/{host}.py.jinja"
HOSTS: Final = ("trl", "verl", "verifiers")


@dataclass(frozen=True, slots=True)
class Export:
    """What is written: `host` is one of `HOSTS`."""

    spec: Path
    host: str
    out: Path
    reward: str | None = None
    maps: Mapping[str, str] | None = None
    overrides: Mapping[str, str] | None = None


def export_text(asked: Export) -> str:
    """The file. Raises `ScoreError` where the host cannot be served by the reward, and `SpecError`."""
    from rldsl import __version__
    with load_scores(asked.spec, asked.reward, maps=asked.maps, overrides=asked.overrides, drawn=True) as scores:
        if asked.host == "verl":
            from rldsl.adapters.verl import check_columns, compares
            if scores.meets_others:
                raise compares(scores.reward.name)
            check_columns(scores.plan, scores.maps)
        name, fields = scores.reward.name, [field.name for field in scores.plan.fields]
        meets_others = scores.meets_others
    given = {"maps": dict(asked.maps or {}), "overrides": dict(asked.overrides or {})}
    options = {word: value for word, value in given.items() if value}
    return render(
        TEMPLATE.format(host=asked.host),
        version=__version__, spec=asked.spec.name, path=_relative(asked.spec, asked.out), reward=name, fields=fields,
        file=asked.out.name, options="".join(f", {word}={value!r}" for word, value in options.items()), meets_others=meets_others)


def _relative(spec: Path, out: Path) -> str:
    """Where the spec lies, seen from the written file: the two may move together."""
    try:
        return Path(os.path.relpath(spec.resolve(), out.resolve().parent)).as_posix()
    except ValueError:
        raise ScoreError(f"{spec} cannot be reached from {out}", "they are on two drives.", "write the file beside the spec",
                         exit_status=2) from None
