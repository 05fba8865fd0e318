"""The host primitives (names of `Foreign` calls) as plain data: parameters, result, range. Computes nothing.

Three rules hold for all of them. An absent argument gives an absent result, and nothing is run. What a
policy wrote never makes a verifier *fail*, unless it runs into the deadline: a text without a number simply
does not have the right number. What cannot be checked (a reference without a number, a crash, a timeout, a
broken promise) has failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rldsl.data.signatures import REQUIRED, Default, Form, Parameter
from rldsl.graph.model import Setting
from rldsl.rewards import code_signatures as code
from rldsl.types import BINARY, EVERYTHING, UNIT, Element, Interval


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives: `optional` says that it may be absent."""

    element: Element
    interval: Interval = EVERYTHING
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Primitive:
    """A host function. `others`: further named arguments of any element are handed on under their names.

    `without` holds pairs (parameter, primitive): where that parameter is not written, the call means the
    other primitive (`verify.number(text)` is `text.number(text)`). `one_of`: exactly one of these groups of
    arguments is written, and the whole of it.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: Element
    interval: Interval
    optional: bool
    doc: str
    others: bool = False
    without: tuple[tuple[str, str], ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()


_TEXT = (Element.TEXT,)
_NUMBER = (Element.REAL, Element.INT)
_COUNT = Interval(0.0, float("inf"), high_open=True)


def _input(name: str, elements: tuple[Element, ...] = _TEXT) -> Parameter:
    return Parameter(name, elements)


def _flag(name: str, default: bool) -> Parameter:
    return Parameter(name, (Element.BOOL,), default, constant=True)


def _choice(name: str, *choices: str) -> Parameter:
    return Parameter(name, _TEXT, choices[0], constant=True, form=Form.CHOICE, choices=choices)


def _constant(name: str, elements: tuple[Element, ...], default: Default = REQUIRED) -> Parameter:
    return Parameter(name, elements, default, constant=True)


def _timeout(seconds: float) -> Parameter:
    return Parameter("timeout", (Element.REAL,), seconds, constant=True, form=Form.DURATION)


_MOST_FAILURES = Parameter("most_failures", _NUMBER, None, constant=True, form=Form.SHARE)
"""The share of an iteration's calls above which failures stop a run; None: 10 %, and no fewer than 4 of them."""


def _infallible(name: str, parameters: tuple[Parameter, ...], doc: str) -> Primitive:
    """A verifier that cannot fail."""
    return Primitive(name, parameters, Element.REAL, BINARY, False, doc)


def _verifier(name: str, parameters: tuple[Parameter, ...], doc: str, interval: Interval = BINARY,
              **more: Iterable[tuple[str, str]]) -> Primitive:
    without = tuple(more.get("without", ()))
    return Primitive(name, (*parameters, _MOST_FAILURES), Element.REAL, interval, False, doc, without=without)


def _text(name: str, parameters: tuple[Parameter, ...], doc: str, optional: bool = False) -> Primitive:
    return Primitive(name, parameters, Element.TEXT, EVERYTHING, optional, doc)


def _holds(name: str, parameters: tuple[Parameter, ...], doc: str) -> Primitive:
    return Primitive(name, parameters, Element.BOOL, BINARY, False, doc)


def _measure(name: str, parameters: tuple[Parameter, ...], doc: str, interval: Interval = _COUNT, *,
             element: Element = Element.INT, optional: bool = False) -> Primitive:
    return Primitive(name, parameters, element, interval, optional, doc)


# What may differ between two texts that count as the same.
_NORMAL = (_flag("strip", True), _flag("ignore_case", False), _flag("ignore_space", False), _flag("ignore_punctuation", False),
           _flag("ignore_articles", False), _flag("nfkc", False))
_NORMAL_DOC = ("`strip`: white space around the text goes; `nfkc`: Unicode's compatible forms are one; `ignore_case`: case is "
               "folded; `ignore_punctuation`: ASCII's punctuation and signs and all of Unicode's punctuation go (`-5` becomes "
               "`5`, `3.5` becomes `35`); `ignore_articles`: the words a, an, the go, and runs of white space are one space, "
               "as under `ignore_space`. In this order: `nfkc`, case, punctuation, articles, space. SQuAD's exact match is all "
               "of them but `nfkc`.")
_LETTERS = _constant("of", _TEXT, "ABCDE")
_PLACE_OF_CHOICE = ("The last `\\boxed{}` decides, else what follows the last `answer is`, `answer:` or `####` up to a reason "
                    "(`because`, `not`, the end of the sentence), else the last line. One letter must stand there by itself; "
                    "two are no answer.")

EXTERN_SETTINGS: tuple[Parameter, ...] = (
    _timeout(5.0),
    Parameter("isolate", _TEXT, "process", constant=True, form=Form.ISOLATION, choices=("process", "namespace", "none")),
    _choice("call", "signature", "item", "batch", "trl", "verl", "areal"), _flag("chat", False), _MOST_FAILURES)
"""What stands in the braces of `extern fn … = python("module:function") { … }`.

`isolate: process` runs it in child processes that are killed at the deadline; `namespace` in such processes without
network, with the project's folder and Python's to read and a folder of their own to write; `container("command")` in
what that command starts, where the project's modules must be importable; `none` in this process, where a call that
hangs is reported and cannot be ended. `call` is how the function is called: once for each `item`;
once with lists for the whole `batch`; as a `trl`, `verl` or `areal` reward function. `signature` means areal if it has the
parameters `prompt`, `completions`, `prompt_ids` and `completion_ids`, else trl if it has `completions`, verl if it has
`solution_str` and `ground_truth`, else item. Token ids are those of a response: `prompt_ids: y.prompt_ids, completion_ids: y.ids`.
With `chat: true` a trl function gets messages in place of texts. `timeout` is for one call. Equal inputs of a batch are run once;
a function of the whole batch sees them all. `most_failures` is the share of its calls in an iteration above which failures stop
the run, handled or not.
"""

_VERIFIERS = (
    _infallible("verify.equal", (_input("text"), _input("answer"), *_NORMAL),
              f"1 where the texts are the same, else 0. {_NORMAL_DOC}"),
    _verifier("verify.number",
              (_input("text"), Parameter("answer", (Element.TEXT, *_NUMBER), None), _constant("tolerance", _NUMBER, 0.0),
               _constant("relative", _NUMBER, 0.0), _choice("units", "ignore", "optional", "required"),
               _constant("unit", _TEXT, "")),
              "1 where the last number in the text is at most `tolerance`, or `relative` times the answer's size, from the "
              "last number in `answer` (a text or a number), else 0; exact decimals. `units: required` reads the units behind "
              "both and compares in base units (`1.5 km` is `1500 m`, `50 %` is `0.5`); another dimension is wrong, and so is "
              "none. `units: optional`: a text without a unit is taken in the answer's. `unit`: what an answer without a unit "
              "is in; `tolerance` is in the answer's unit. An answer that names none is a number, whatever unit the text has. "
              "Without `answer`: the last number itself, as `text.number`. An answer without a number has failed.",
              without=(("answer", "text.number"),)),
    _verifier("verify.choice", (_input("text"), _input("answer"), _LETTERS),
              f"1 where the text settles on the letter `answer`, one of the letters `of`, else 0. {_PLACE_OF_CHOICE} An answer "
              "that is none of the letters has failed."),
    _infallible("verify.tags", (_input("text"), _constant("tags", _TEXT), _choice("outside", "anything", "nothing")),
              "1 where each of `tags` (`\"think answer\"`) is opened once (`<think>`), closed once, and stands after the one "
              "before it, else 0. `outside: nothing`: and only white space stands outside of them."),
    _infallible("verify.xml", (_input("text"),),
              "1 where the text is one well-formed XML element, else 0. Document types and entities of its own are refused."),
    _verifier("verify.regex",
              (_input("text"), _input("pattern"), _choice("match", "anywhere", "whole", "start"),
               _flag("ignore_case", False), _timeout(1.0)),
              "1 where the Python pattern matches, else 0: `anywhere` in the text, the `whole` text, or at "
              "its `start`. `.` does not match a line end; write `(?s)` where it should."),
    _verifier("verify.json_schema",
              (_input("text"), _input("schema", (Element.TEXT, Element.JSON)), _timeout(2.0)),
              "1 where the text is JSON that satisfies the schema, else 0. The schema is JSON, JSON text, "
              "or the path of a `.json` file of the project."),
    _verifier("verify.math", (_input("text"), _input("answer"), _timeout(5.0)),
              "1 where math-verify finds the text's final expression equal to the answer, else 0; of either, what "
              "follows the last `####` where there is one and no `\\boxed{}`. An answer in which it finds no "
              "expression has failed."),
    _verifier("verify.reasoning_gym", (_input("text"), _input("entry", (Element.JSON,)), _timeout(5.0)),
              "Score of the text by the task's own scorer; `entry` is the field of `reasoning_gym` data. "
              "Some scorers give a little to any text.", interval=UNIT),
    _verifier("verify.tests", code.TESTS, code.TESTS_DOC),
    replace(_verifier("verify.program", code.PROGRAM, code.PROGRAM_DOC), one_of=(("cases",), ("input", "output"))),
    _verifier("verify.sql", code.SQL, code.SQL_DOC),
    Primitive("verify.python",
              (_constant("function", _TEXT), _input("text"),
               Parameter("range", _NUMBER, REQUIRED, constant=True, form=Form.RANGE),
               _flag("may_be_absent", False), *EXTERN_SETTINGS),
              Element.REAL, EVERYTHING, False,
              "What `module:function` of the project says about the text, within the promised `range`. "
              "Further named arguments are handed to it under their names. None is absent, and allowed "
              "where `may_be_absent: true`.",
              others=True),
)

_TEXTS = (
    _measure("text.length", (_input("text"),), "Number of characters (Unicode code points)."),
    _measure("text.words", (_input("text"),), "Number of words, separated by white space."),
    _measure("text.lines", (_input("text"),), "Number of lines that are not blank."),
    _measure("text.count", (_input("text"), _input("part")),
             "How often `part` occurs, without overlap; 0 if empty."),
    _measure("text.number", (_input("text"),),
             "The last number written in the text; absent if there is none.",
             EVERYTHING, element=Element.REAL, optional=True),
    _measure("text.matching_places", (_input("text"), _input("answer")),
             "Share of places at which two texts have the same character; 0 where their lengths differ, 1 "
             "for two empty texts.", UNIT, element=Element.REAL),
    _holds("text.equal", (_input("text"), _input("other")),
           "Whether two texts are the same, character by character."),
    _holds("text.contains", (_input("text"), _input("part")), "Whether `part` occurs in the text."),
    _holds("text.starts_with", (_input("text"), _input("part")), "Whether the text starts with `part`."),
    _holds("text.ends_with", (_input("text"), _input("part")), "Whether the text ends with `part`."),
    _measure("text.overlap", (_input("text"), _input("answer")),
             "F1 of the words that two texts share, each as often as both have it: SQuAD's F1 of texts from `text.normalize`.",
             UNIT, element=Element.REAL),
    _measure("text.repetition", (_input("text"), _constant("n", (Element.INT,), 3), _choice("of", "words", "characters")),
             "Share of the runs of `n` words (or characters) that have stood in the text before: 1 - different / all; 0 for a "
             "shorter text.", UNIT, element=Element.REAL),
    _measure("text.tags", (_input("text"), _constant("tags", _TEXT)),
             "Share of `tags` (`\"think answer\"`) that are opened once, closed once, and stand after those before them.",
             UNIT, element=Element.REAL),
    _text("text.normalize", (_input("text"), *_NORMAL), f"The text as `verify.equal` compares it. {_NORMAL_DOC}"),
    _text("text.choice", (_input("text"), _LETTERS),
          f"The letter (one of `of`) on which the text settles; absent if it settles on none. {_PLACE_OF_CHOICE}", optional=True),
    _text("text.lower", (_input("text"),), "The text in lower case."),
    _text("text.strip", (_input("text"),), "The text without white space around it."),
    _text("text.concat", (_input("text"), _input("other")),
          "One text after the other; `a + b` of texts means this."),
    _text("text.prefix", (_input("text"), _input("share", _NUMBER)),
          "The first `share` (0 to 1) of the characters, rounded down."),
    _text("text.between", (_input("text"), _input("start"), _input("end")),
          "What stands between the last `start` that has an `end` after it, and that `end`; absent if there "
          "is none.",
          optional=True),
    _text("answer", (_input("text"), _choice("from", "anywhere", "boxed", "marker", "line")),
          "The final answer, stripped: the last `\\boxed{}`, else what follows the last `####` on its line, "
          "else the last line that is not blank. `from` asks for one of the three alone. Absent if it is "
          "not there.",
          optional=True),
)

PRIMITIVES: dict[str, Primitive] = {primitive.name: primitive for primitive in (*_VERIFIERS, *_TEXTS)}


def primitive_for(name: str, given: Iterable[str]) -> Primitive | None:
    """The primitive that a call of `name` with the arguments `given` means; None if there is no such name."""
    primitive = PRIMITIVES.get(name)
    if primitive is None:
        return None
    written = frozenset(given)
    for parameter, other in primitive.without:
        if parameter not in written:
            return PRIMITIVES[other]
    return primitive


def result_of(primitive: Primitive, settings: Mapping[str, Setting]) -> Result:
    """Element, range, and whether it may be absent, under the settings `range`, `score` and `may_be_absent`."""
    promised = settings.get("range")
    interval = UNIT if settings.get("score") == "share" else primitive.interval
    if isinstance(promised, tuple) and len(promised) == 2:
        low, high = promised
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            interval = Interval(float(low), float(high))
    optional = primitive.optional or settings.get("may_be_absent") is True
    return Result(primitive.result, interval, optional)


def check_constant(primitive: str, parameter: str, value: Setting) -> str | None:
    """What is wrong with a constant that is written in a spec, as a sentence; None if nothing is."""
    match parameter, value:
        case "pattern", str():
            return _check_pattern(value)
        case "schema", str() if value.lstrip().startswith("{"):
            return _check_json(value)
        case "function", str() if not re.fullmatch(r"[\w.]+:\w+", value):
            return f'a Python function is written "module:function", not "{value}"'
        case "most_failures", int() | float() if not 0 <= value <= 1:
            return "it is a share of the calls, from 0 to 1"
        case "timeout" | "tolerance" | "relative", int() | float():
            return _check_amount(parameter, value)
        case "n", _:
            return None if _is_count(value) else "it is how many words a run has: a whole number from 1 on"
        case "tags", _:
            fits = isinstance(value, str) and value.split() and all(re.fullmatch(r"[\w.-]+", tag) for tag in value.split())
            return None if fits else "it names tags, separated by spaces, without their brackets"
        case "of", str() if primitive.endswith(".choice"):
            return _check_letters(value)
        case ("memory" | "disk" | "prints" | "processes" | "files"), _:
            return code.check_limit(parameter, value)
        case "unit", str():
            from rldsl.rewards.units import unit_of
            return None if unit_of(value) else f"the table of units has `km`, `kg m^-3`, `%` and many more, and not `{value}`"
    return None


def check_settings(settings: Mapping[str, Setting]) -> str | None:
    """What is wrong with the constants of one call together, as a sentence."""
    if settings.get("unit") and settings.get("units", "ignore") == "ignore":
        return "`unit` is what an answer without one is in, and no units are read: write `units: optional` or `units: required`"
    return code.check_isolation(settings)


def check_failing(primitive: str, settings: Mapping[str, Setting], inputs: Mapping[str, Element]) -> str | None:
    """Why a bound on failures says nothing of a call that has these inputs, as a sentence; None if it says something."""
    if "most_failures" not in settings or primitive != "verify.number" or inputs.get("answer") is Element.TEXT:
        return None
    return ("`most_failures` is without effect: `verify.number` fails where an answer that is a text has no number, and here the "
            "answer is a number")


def check_groups(primitive: Primitive, written: Iterable[str]) -> str | None:
    """What is wrong with which arguments are written, as a sentence."""
    found = set(written)
    groups = primitive.one_of
    if not groups or [found & {name for group in groups for name in group}] in [[set(group)] for group in groups]:
        return None
    return "it takes " + ", or ".join(" and ".join(f"`{name}`" for name in group) for group in groups)


def _is_count(value: Setting) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1 and float(value).is_integer()


def _check_letters(letters: str) -> str | None:
    fits = len(letters) > 1 and len(set(letters)) == len(letters) and re.fullmatch(r"[A-Z]+", letters)
    return None if fits else 'it is the upper-case letters to choose from, each once: "ABCD"'


def _check_pattern(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        return f"this pattern cannot be read: {fault}"
    return None


def _check_json(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as fault:
        return f"this schema is not JSON: {fault}"
    return None


def _check_amount(parameter: str, value: float) -> str | None:
    if parameter == "timeout":
        return None if value > 0 else "`timeout` must be above 0"
    return None if value >= 0 else f"`{parameter}` must not be below 0"
