"""What a worker does with an item of `verify.tests`, `verify.program` or `verify.sql`: finds the code, has it examined."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .blocks import code_in
from .box import Box, NoBox, settings_of
from .exam import Exam, Failed, Result, boxed
from .programs import run_cases, run_query

__all__ = ["Failed", "open_verdicts"]

_BOXES: dict[str, Box] = {}  # of this process, one for each level
_NOTHING = "held = bytearray(1 << 19)\nprint(len(held))"
_LANGUAGES = {"tests": "python", "sql": "sql"}


def open_verdicts(kind: str, settings: Mapping[str, Any], scratch: str,
                  alive: Callable[[], None]) -> Callable[[Sequence[Any]], Result]:
    """A function of items (the inputs in the order of `settings["inputs"]`), with its box ready. `scratch` is a folder of this
    process; `alive` is called while an item takes long. Raises `Failed`."""
    os.makedirs(scratch, exist_ok=True)
    if str(settings["isolate"]).startswith("container"):  # for whoever ends this process
        with open(os.path.join(scratch, "container"), "w", encoding="utf-8"):
            pass
    box = _BOXES.setdefault(str(settings["isolate"]), Box(str(settings["isolate"]), scratch))
    try:
        box.start()
        _try(box, kind, settings, alive)
    except NoBox as fault:
        raise Failed("setup", f"`isolate: {box.level}` cannot be had here: {fault}") from None

    def examined(item: Sequence[Any]) -> Result:
        value, evidence = _verdict(box, kind, settings, scratch, alive, dict(zip(settings["inputs"], item, strict=True)))
        return value, _written(evidence)

    return examined


def _written(evidence: Any) -> Any:
    """Evidence as any file can hold it: the code's texts may hold half characters."""
    if isinstance(evidence, str):
        return evidence.encode("utf-8", "backslashreplace").decode()
    if isinstance(evidence, dict):
        return {name: _written(part) for name, part in evidence.items()}
    return [_written(part) for part in evidence] if isinstance(evidence, list) else evidence


def _try(box: Box, kind: str, settings: Mapping[str, Any], alive: Callable[[], None]) -> None:
    """Run as good as nothing in the box, so that what the system refuses is said before there is any code."""
    mild = {**settings, "command": "", "tolerance": 0.0, "score": "all", "file": "program.py"}
    found, evidence = boxed(box, lambda: run_cases(box, mild, _NOTHING, [{"input": "", "output": "524288"}], alive))
    if found != 1.0:
        raise Failed("setup", f"a program that does nothing does not run under these limits: {evidence['failed'][0]['said']}")


def _verdict(box: Box, kind: str, settings: Mapping[str, Any], scratch: str, alive: Callable[[], None],
             given: Mapping[str, Any]) -> Result:
    language = _LANGUAGES.get(kind) or str(settings["language"])
    source = code_in(str(given["text"]), language, str(settings["from"]))
    if source is None:
        return 0.0, {"kind": "no code", "said": f"there is no fenced block of {language} in the text"}
    if "\0" in source:
        return 0.0, {"kind": "exception", "said": "the code holds a NUL character"}
    match kind:
        case "tests":
            held = {**settings, "readable": settings_of("process", None)["readable"]}
            return boxed(box, lambda: Exam(box, held, scratch).run(source, given["tests"], given.get("entry")))
        case "program":
            cases = given["cases"] if "cases" in given else [{"input": given["input"], "output": given["output"]}]
            return boxed(box, lambda: run_cases(box, settings, source, cases, alive))
        case _:
            return boxed(box, lambda: run_query(box, settings, source, str(given["setup"]), given["expected"]))
