"""What a worker runs: functions of a project under five calling conventions, verifiers that need a deadline.

Standard library alone at import: it is loaded in child processes without the package, and in process for
`isolate: none`. It keeps no deadlines and starts no processes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import resource
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Item = Sequence[Any]
Settings = Mapping[str, Any]
_LONGEST_MESSAGE = 400
_CALLS = ("item", "batch", "trl", "verl", "areal")

# Names in a spec, and what the functions of TRL, verl and AReaL call the same thing.
_TRL_NAMES = {"text": "completions", "completion": "completions", "prompt": "prompts"}
_VERL_NAMES = {"text": "solution_str", "completion": "solution_str", "answer": "ground_truth"}
_AREAL_NAMES = {"text": "completions", "completion": "completions"}
_KNOWN_NAMES = {"trl": _TRL_NAMES, "verl": _VERL_NAMES, "areal": _AREAL_NAMES}
_TOKENS = ("prompt_ids", "completion_ids")


class JobFault(Exception):
    """A failure with a kind of its own (a value of `FailureKind`)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Answered:
    """A value, and what is said beside it (plain JSON)."""

    def __init__(self, value: Any, evidence: Any) -> None:
        self.value = value
        self.evidence = evidence


class Job:
    """Something that is run item by item. `convention` says how a function is called."""

    def __init__(self, run: Callable[[Item], Any], convention: str = "") -> None:
        self.run = run
        self.convention = convention

    def answer(self, item: Item) -> list[Any]:
        """`["value", v]`, or `["failed", kind, message]`; `["value", v, evidence]` of an `Answered`."""
        try:
            value = self.run(item)
            return ["value", value.value, value.evidence] if isinstance(value, Answered) else ["value", value]
        except JobFault as fault:
            return ["failed", fault.kind, str(fault)]
        except BaseException as fault:  # a function may raise anything, SystemExit too
            return ["failed", "exception", _said(fault)]


def open_job(kind: str, settings: Settings) -> Job:
    """Make ready what `kind` runs. Raises `JobFault` where that cannot be."""
    return KINDS[kind](settings)


# ------------------------------------------------------------------ functions of a project
def _open_python(settings: Settings) -> Job:
    reference = settings["function"]
    for folder in settings["path"]:
        if folder not in sys.path:
            sys.path.append(folder)
    if settings["project"] not in sys.path:
        sys.path.insert(0, settings["project"])
    function = _find(reference)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = None
    convention = _convention(reference, signature, settings["call"])
    names, positional = _argument_names(reference, signature, convention, settings)
    return Job(_caller(function, convention, names, positional, settings["chat"]), convention)


def _find(reference: str) -> Callable[..., Any]:
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except BaseException as fault:
        raise JobFault("setup", f"`{module_name}` cannot be imported: {_said(fault)}") from None
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise JobFault("setup", f"there is no function `{name}` in `{module_name}` ({module.__file__})")
    return function


def _convention(reference: str, signature: inspect.Signature | None, call: str) -> str:
    """What the spec says, else what parameter names say: AReaL's token ids beside one `prompt`, TRL's `completions`, verl's
    `solution_str`."""
    if call in _CALLS:
        return call
    names = signature.parameters if signature else {}
    if "prompt" in names and "completions" in names and all(name in names for name in _TOKENS):
        return "areal"
    if "completions" in names:
        return "trl"
    return "verl" if "solution_str" in names and "ground_truth" in names else "item"


def _argument_names(reference: str, signature: inspect.Signature | None, convention: str,
                    settings: Settings) -> tuple[list[str], int]:
    """The names under which inputs are handed over, and how many of the first go by position instead."""
    names, positional = list(settings["names"]), int(settings["positional"])
    if convention in _KNOWN_NAMES:
        known = _KNOWN_NAMES[convention]
        names = [name if (new := known.get(name, name)) in names else new for name in names]
        positional = 0
    elif signature is None:
        positional = len(names)
    elif positional == 0:
        positional = _by_position(reference, signature, names)
    if signature is not None:
        _check_tokens(reference, signature, names)
        _check_arguments(reference, signature, names, positional)
    return names, positional


def _by_position(reference: str, signature: inspect.Signature, names: list[str]) -> int:
    """All by name where the function has the names, all by position where it has none; never a mixture."""
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    shared = [name for name in names if name in signature.parameters]
    if len(shared) == len(names) or (shared and inspect.Parameter.VAR_KEYWORD in kinds):
        return 0
    if not shared:
        return len(names)
    said = f"`{reference}{signature}` is given ({', '.join(names)}): give them the same names"
    raise JobFault("setup", said)


def _check_tokens(reference: str, signature: inspect.Signature, names: list[str]) -> None:
    """Token ids are a response's: `y.ids`. A text alone has none."""
    missing = [name for name, parameter in signature.parameters.items()
               if name in _TOKENS and name not in names and parameter.default is inspect.Parameter.empty]
    if missing:
        given = {"prompt_ids": "prompt_ids: y.prompt_ids", "completion_ids": "completion_ids: y.ids"}
        said = f"`{reference}` takes token ids, which a text alone does not have: hand over those of the response"
        raise JobFault("setup", f"{said} (`{', '.join(given[name] for name in missing)}`)")


def _check_arguments(reference: str, signature: inspect.Signature, names: list[str],
                     positional: int) -> None:
    try:
        signature.bind(*names[:positional], **dict.fromkeys(names[positional:]))
    except TypeError as fault:
        said = f"`{reference}{signature}` cannot be called with ({', '.join(names)}): {fault}"
        raise JobFault("setup", said) from None


def _caller(function: Callable[..., Any], convention: str, names: list[str], positional: int,
            chat: bool) -> Callable[[Item], Any]:
    of_batch = convention in ("batch", "trl")

    def call(item: Item) -> Any:
        values = item
        if chat and of_batch:
            values = [_chat(name, value) for name, value in zip(names, item, strict=True)]
        named = dict(zip(names[positional:], values[positional:], strict=True))
        result = function(*values[:positional], **named)
        if inspect.iscoroutine(result):
            import asyncio

            result = asyncio.run(result)
        if of_batch:
            return _many(result)
        return _scalar(result["score"] if convention == "verl" and isinstance(result, dict) else result)

    return call


def _chat(name: str, value: Any) -> Any:
    role = {"completions": "assistant", "prompts": "user"}.get(name)
    if role is None:
        return value
    return [[{"role": role, "content": text}] if isinstance(text, str) else text for text in value]


def _many(result: Any) -> list[Any]:
    values = result.tolist() if hasattr(result, "tolist") else result
    if not isinstance(values, (list, tuple)):
        raise JobFault("wrong type", f"expected a list of results, got {type(values).__name__}")
    return [value if _is_plain(value := _untensored(part)) else {"wrong": type(value).__name__}
            for part in values]


def _scalar(result: Any) -> Any:
    value = _untensored(result)
    if not _is_plain(value):
        raise JobFault("wrong type", f"returned {type(value).__name__}")
    return value


def _untensored(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _said(fault: BaseException) -> str:
    """An exception in a sentence, with the line of the project that raised it."""
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if frame.filename != __file__]
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    text = str(fault)[:_LONGEST_MESSAGE]
    return f"{type(fault).__name__}: {text}{where}" if text else f"{type(fault).__name__}{where}"


# ------------------------------------------------------------------ verifiers
def _open_regex(settings: Settings) -> Job:
    flags = re.IGNORECASE if settings["ignore_case"] else re.NOFLAG
    method = {"anywhere": "search", "whole": "fullmatch", "start": "match"}[settings["match"]]

    @lru_cache(maxsize=4096)
    def compiled(pattern: str) -> Callable[[str], Any]:
        try:
            find: Callable[[str], Any] = getattr(re.compile(pattern, flags), method)
        except (re.error, RecursionError, OverflowError) as fault:
            raise JobFault("reference", f"this pattern cannot be read: {fault}") from None
        return find

    def run(item: Item) -> float:
        text, pattern = item
        return 1.0 if compiled(pattern)(text) else 0.0

    return Job(run)


def _open_json_schema(settings: Settings) -> Job:
    try:
        import jsonschema
        from referencing import Registry
    except ImportError:
        raise JobFault("setup", "verify.json_schema needs a package: pip install jsonschema") from None

    @lru_cache(maxsize=256)
    def validator(schema: str) -> Any:
        try:
            content = json.loads(_content(schema) if schema.endswith(".json") else schema)
            kind = jsonschema.validators.validator_for(content)
            kind.check_schema(content)
        except (OSError, ValueError, RecursionError, jsonschema.SchemaError) as fault:
            raise JobFault("reference", f"this schema cannot be used: {str(fault).splitlines()[0]}") from None
        return kind(content, registry=Registry())

    def run(item: Item) -> float:
        text, schema = item
        checker = validator(schema if isinstance(schema, str) else json.dumps(schema))
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return 0.0
        return 1.0 if checker.is_valid(value) else 0.0

    return Job(run)


def _content(path: str) -> str:
    """A file of the project, in whose folder a worker stands."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _open_math(settings: Settings) -> Job:
    try:
        import logging

        import math_verify
    except ImportError:
        raise JobFault("setup", "verify.math needs a package: pip install math-verify") from None
    logging.disable(logging.WARNING)
    _limit_memory(settings["memory"])

    def parse(text: str) -> list[Any]:
        found: list[Any] = math_verify.parse(_with_anchor(text), parsing_timeout=None)
        return found

    def run(item: Item) -> float:
        text, answer = item
        gold = reference(answer)
        return 1.0 if math_verify.verify(list(gold), parse(text), timeout_seconds=None) else 0.0

    @lru_cache(maxsize=4096)
    def reference(answer: str) -> tuple[Any, ...]:
        gold = tuple(parse(answer))
        if not gold:
            raise JobFault("reference", f"no expression is found in the answer {_shown(answer)}")
        return gold

    return Job(run)


_BOX = re.compile(r"\\boxed|\\fbox")
_ANCHORS = re.compile(r"\\boxed|\$|\\\(|\\\[")
_FUNCTIONS = "sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|max|min|gcd|lcm|mod|inf|pi|lim|arcsin|arccos|arctan"
_PROSE = re.compile(rf"(?<![\\A-Za-z])(?!(?:{_FUNCTIONS})(?![A-Za-z]))"
                    r"(?:[A-Za-z]{3,}|[A-Za-z]{2}\s+[A-Za-z]{2}|[A-Za-z]\w*:\s)")


def _with_anchor(text: str) -> str:
    """An expression (`\\frac{1}{2}`, `(1, 2)`) in a box, as the parser wants it; any other as it is. What follows the last `####`
    is the answer of a text that has no box: sums of money before it look like mathematics."""
    if "####" in text and not _BOX.search(text):
        text = text.rpartition("####")[2].strip().partition("\n")[0].strip().removeprefix("$") or text
    bare = text.strip().rstrip(".")
    if len(bare) > 200 or "\n" in bare or not bare or _ANCHORS.search(bare):
        return text
    without_units = re.sub(r"\\(?:text|mathrm)\{[^{}]*\}", "", bare)
    return text if _PROSE.search(without_units) else f"\\boxed{{{bare}}}"


def _open_reasoning_gym(settings: Settings) -> Job:
    try:
        import reasoning_gym
    except ImportError:
        raise JobFault("setup", "verify.reasoning_gym needs a package: pip install reasoning-gym") from None
    scorer = lru_cache(maxsize=None)(reasoning_gym.get_score_answer_fn)

    def run(item: Item) -> float:
        text, entry = item
        try:
            task = entry["metadata"]["source_dataset"]
            score = scorer(task)
        except (TypeError, KeyError, ValueError):
            raise JobFault("reference", "the entry is not one of a reasoning_gym task") from None
        entry = _as_tuples(entry) if task in _TASKS_OF_TUPLES else entry
        try:
            return float(score(text, entry))
        except Exception as fault:
            return _score_of_unreadable(score, entry, fault)

    return Job(run)


# These scorers compare with tuples, which JSON does not have.
_TASKS_OF_TUPLES = frozenset({"arc_agi", "rearc"})


def _score_of_unreadable(score: Callable[[str, Any], float], entry: Any, fault: Exception) -> float:
    """0 for a text that a scorer stumbles over, if it can read the entry's own answer; else a failure."""
    try:
        if entry["answer"] is not None:
            score(entry["answer"], entry)
    except Exception:
        raise JobFault("reference", f"the scorer cannot use this entry: {_said(fault)}") from None
    return 0.0


def _as_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_tuples(part) for part in value)
    return {name: _as_tuples(part) for name, part in value.items()} if isinstance(value, dict) else value


def _limit_memory(size: int | None) -> None:
    if size is not None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:39] + "…", ensure_ascii=False)


def _open_separators(settings: Settings) -> Job:
    """Where a pattern matches a text: as what is said beside the number of matches. What matches nothing separates nothing."""
    compiled = re.compile(settings["pattern"])

    def run(item: Item) -> Answered:
        found = [match.span() for match in compiled.finditer(item[0])]
        spans = [[start, stop] for start, stop in found if stop > start]
        return Answered(len(spans), spans)

    return Job(run)


KINDS: dict[str, Callable[[Settings], Job]] = {
    "python": _open_python, "regex": _open_regex, "json_schema": _open_json_schema, "math": _open_math,
    "reasoning_gym": _open_reasoning_gym, "separators": _open_separators,
}
