"""Signatures as plain data: what a source of rows accepts, how arguments meet parameters. Reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from rldsl.graph.model import Setting
from rldsl.types import Element


class Required(Enum):
    """The type of `REQUIRED`."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED
Default: TypeAlias = Setting | Required


class Form(StrEnum):
    """How an argument is written, where that is more than a value of its element."""

    VALUE = "value"
    DURATION = "duration"  # `5s`; held as a number of seconds
    RANGE = "range"        # `0 .. 1`; held as a pair of numbers
    CHOICE = "choice"      # one of `choices`, as a text
    ISOLATION = "isolation"  # one of `choices`, or `container("command")`; held as a text, `container: command`
    SHARE = "share"        # a number from 0 to 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one argument may be. `elements` are those it accepts.

    `default` is `REQUIRED`, or the value where nothing is written (None: left out); `missing` is what is said beside
    that a required one is missing. A `constant` argument is
    known at compile time and becomes a setting of the call; any other becomes an input, packed, one value
    for each place.
    """

    name: str
    elements: tuple[Element, ...]
    default: Default = REQUIRED
    constant: bool = False
    form: Form = Form.VALUE
    choices: tuple[str, ...] = ()
    missing: str = ""

    @property
    def is_required(self) -> bool:
        """Whether it must be written."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class SourceSignature:
    """A source of rows. With `others`, further named constants are handed on to whatever makes the rows.

    `columns` are the fields that rows of this source always have (empty: they are known when the file is
    read).
    """

    name: str
    parameters: tuple[Parameter, ...]
    others: bool
    columns: tuple[tuple[str, Element], ...]
    doc: str


@dataclass(frozen=True, slots=True)
class Matched:
    """`names[i]` is the parameter of the i-th argument, positional ones first. `problems` are sentences."""

    names: tuple[str, ...]
    problems: tuple[str, ...]


def match_arguments(parameters: Sequence[Parameter], positional: int, named: Sequence[str], *,
                    others: bool = False) -> Matched:
    """Which parameter each argument is for, and everything that does not fit."""
    known = [parameter.name for parameter in parameters]
    names = [*known[:positional], *named]
    problems: list[str] = []
    if positional > len(known):
        problems.append(f"at most {_count(len(known), 'argument')}, and {positional} are given")
    problems += [f"`{name}` is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if not others:
        problems += [f"no argument is called `{name}`{did_you_mean(name, known)}"
                     for name in named if name not in known]
    problems += [f"`{parameter.name}` is missing" + (f": {parameter.missing}" if parameter.missing else "")
                 for parameter in parameters if parameter.is_required and parameter.name not in names]
    return Matched(tuple(names), tuple(problems))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` for the closest known name, else the known names, else nothing."""
    candidates = sorted(known)
    if close := get_close_matches(name, candidates, n=1, cutoff=0.6):
        return f"; did you mean `{close[0]}`?"
    return f"; there are {', '.join(f'`{candidate}`' for candidate in candidates)}" if candidates else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_TEXT = (Element.TEXT,)
_INT = (Element.INT,)
_PATH = Parameter("path", _TEXT, constant=True)
_LIMIT = Parameter("limit", _INT, None, constant=True)

SOURCES: dict[str, SourceSignature] = {source.name: source for source in (
    SourceSignature("jsonl", (_PATH, _LIMIT), False, (),
                    "One JSON object a line, UTF-8; `.gz` is unpacked. `limit` keeps the first rows alone."),
    SourceSignature("csv", (_PATH, Parameter("separator", _TEXT, ",", constant=True), _LIMIT), False, (),
                    "Comma-separated values with a header line, UTF-8. An empty cell is an empty text, and "
                    "no number."),
    SourceSignature("parquet", (_PATH, _LIMIT), False, (),
                    "A parquet file, a folder of them, or a pattern such as `data/train-*.parquet`."),
    SourceSignature("hf", (_PATH, Parameter("split", _TEXT, "train", constant=True), _LIMIT), False, (),
                    "A local dataset folder: as `datasets` saves it, or parquet, jsonl or csv files named "
                    "for a split."),
    SourceSignature("python", (Parameter("function", _TEXT, constant=True), _LIMIT), True, (),
                    "`module:function` of the project, giving mappings, or a mapping of lists. Named "
                    "constants are handed to it, and `seed` if it has such a parameter."),
    SourceSignature("reasoning_gym",
                    (Parameter("task", _TEXT, constant=True), Parameter("size", _INT, constant=True),
                     Parameter("seed", _INT, None, constant=True)), True,
                    (("question", Element.TEXT), ("answer", Element.TEXT), ("metadata", Element.JSON),
                     ("entry", Element.JSON)),
                    "`size` generated puzzles of a reasoning-gym task. Named constants configure the task; "
                    "without `seed` the seed of the run is used. `entry` is what `verify.reasoning_gym` "
                    "needs."),
)}
