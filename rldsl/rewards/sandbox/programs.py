"""Programs against inputs and outputs, and queries against rows. The code prints; what that is worth is decided here."""

from __future__ import annotations

import json
import math
import select
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .box import Box
from .exam import Failed, Result, ending, kind_of, limits_of

_SHOWN = 200


def run_cases(box: Box, settings: Mapping[str, Any], source: str, cases: Any, alive: Callable[[], None]) -> Result:
    """Share of the cases (`{"input": …, "output": …}`) whose output is right, or whether all are. `alive` is called after each."""
    wanted = _cases(cases)
    passed, failed = 0, []
    for place, (given, expected) in enumerate(wanted):
        wrong = _case(box, settings, source, given, expected)
        alive()
        if wrong is None:
            passed += 1
            continue
        failed.append({"test": place, "input": given[:_SHOWN], **wrong})
        if settings["score"] == "all":
            break
    evidence: dict[str, Any] = {"passed": passed, "tests": len(wanted)}
    if failed:
        evidence["failed"], evidence["kind"] = failed[:10], failed[0]["kind"]
    return float(passed == len(wanted)) if settings["score"] == "all" else passed / len(wanted), evidence


def _cases(cases: Any) -> list[tuple[str, str]]:
    """Cases as pairs of texts: a list of objects, or two lists (`inputs`, `outputs`) as some data sets have them."""
    if isinstance(cases, dict) and isinstance(cases.get("inputs"), list) and isinstance(cases.get("outputs"), list) \
            and len(cases["inputs"]) == len(cases["outputs"]):
        cases = [{"input": given, "output": wanted} for given, wanted in zip(cases["inputs"], cases["outputs"], strict=True)]
    if not isinstance(cases, list) or not cases:
        raise Failed("reference", 'cases are a list of {"input": "…", "output": "…"}, and there is at least one')
    found = []
    for case in cases:
        if not (isinstance(case, dict) and isinstance(case.get("input"), str) and isinstance(case.get("output"), str)):
            raise Failed("reference", f'a case is {{"input": "…", "output": "…"}} with two texts, not {json.dumps(case)[:80]}')
        found.append((case["input"], case["output"]))
    return found


def _case(box: Box, settings: Mapping[str, Any], source: str, given: str, expected: str) -> dict[str, Any] | None:
    """None where the output is right, else what is wrong."""
    command = shlex.split(str(settings["command"])) if settings["command"] else None
    request = {"role": "program", "source": source, "command": command, "file": str(settings["file"]),
               "limits": limits_of(settings)}
    printed, errors, ended = _run(box, request, given.encode("utf-8", "surrogatepass"), float(settings["timeout"]))
    if ended is None:
        return {"kind": "timeout", "said": f"did not end within {float(settings['timeout']):g} s"}
    text = printed.decode("utf-8", "replace")
    kind, said = ending(ended)
    if int(ended["status"]) != 0 or ended["why"]:
        last = errors.decode("utf-8", "replace").strip().splitlines()
        kind = kind_of(last[-1]) if last and kind == "exception" else kind
        return {"kind": kind, "said": f"{said}: {last[-1][:_SHOWN]}" if last else said}
    if same_output(text, expected, float(settings["tolerance"])):
        return None
    return {"kind": "wrong", "said": f"printed {text.strip()[:_SHOWN]!r}, not {expected.strip()[:_SHOWN]!r}"}


def _run(box: Box, request: Mapping[str, Any], given: bytes, timeout: float) -> tuple[bytes, bytes, dict[str, Any] | None]:
    """What it printed, what it printed as errors, and how it ended (None: it was killed at the deadline)."""
    box.run(request)
    until = time.monotonic() + timeout
    box.put("I", given)
    box.put("E")
    printed, errors = bytearray(), b""
    while (left := until - time.monotonic()) > 0:
        sink = box.sink
        select.select([box.source], [] if sink is None else [sink], [], left)
        box.flush()
        for kind, data in box.take():
            if kind == "C":
                printed += data
            elif kind == "O":
                errors = (errors + data)[-2000:]
            elif kind == "X":
                return bytes(printed), errors, json.loads(data)
    ended = box.kill()
    if ended is not None and ended.get("refused"):
        raise Failed("setup", str(ended["refused"]))
    return bytes(printed), errors, None


def same_output(found: str, expected: str, tolerance: float) -> bool:
    """Line by line but for white space at the ends; with a tolerance, words that are numbers may differ by that much."""
    left, right = ([line.rstrip() for line in text.rstrip().splitlines()] for text in (found, expected))
    if left == right:
        return True
    if not tolerance or len(left) != len(right):
        return False
    return all(_same_words(one.split(), other.split(), tolerance) for one, other in zip(left, right, strict=True))


def _same_words(found: Sequence[str], expected: Sequence[str], tolerance: float) -> bool:
    return len(found) == len(expected) and all(
        one == other or _near(one, other, tolerance) for one, other in zip(found, expected, strict=True))


def _near(found: str, expected: str, tolerance: float) -> bool:
    try:
        one, other = float(found), float(expected)
    except ValueError:
        return False
    return math.isfinite(one) and math.isfinite(other) and abs(one - other) <= tolerance


# ------------------------------------------------------------------ queries
def run_query(box: Box, settings: Mapping[str, Any], source: str, setup: str, expected: Any) -> Result:
    """1 where the query gives the expected rows. `expected` is a list of rows, or a query whose rows they are."""
    if isinstance(expected, str):
        found = _rows(box, settings, expected, setup)
        if isinstance(found, dict):
            raise Failed("reference", f"the query that is expected fails: {found['said']}")
        expected = found
    if not isinstance(expected, list) or not all(isinstance(row, list) for row in expected):
        raise Failed("reference", "what is expected is a list of rows (lists of cells), or a query")
    found = _rows(box, settings, source, setup)
    if isinstance(found, dict):
        return 0.0, found
    if _same_rows(found, expected, bool(settings["ordered"]), float(settings["tolerance"])):
        return 1.0, {"rows": len(found)}
    shown = f"gave {len(found)} rows, first {json.dumps(found[:2])[:_SHOWN]}; expected {len(expected)}"
    return 0.0, {"kind": "wrong", "said": shown}


def _rows(box: Box, settings: Mapping[str, Any], query: str, setup: str) -> list[Any] | dict[str, Any]:
    """The rows, or what is wrong with the query."""
    request = {"role": "query", "source": query, "setup": setup, "limits": limits_of(settings)}
    printed, _, ended = _run(box, request, b"", float(settings["timeout"]))
    if ended is None:
        return {"kind": "timeout", "said": f"gave no rows within {float(settings['timeout']):g} s"}
    kind, said = ending(ended)
    if int(ended["status"]) != 0 or ended["why"]:
        return {"kind": kind, "said": said}
    answer = json.loads(printed)
    if "setup" in answer:
        raise Failed("reference", f"the database cannot be made: {answer['setup']}")
    if "error" in answer:
        return {"kind": "exception", "said": str(answer["error"])[:400]}
    rows: list[Any] = answer["rows"]
    return rows


def _same_rows(found: Sequence[Any], expected: Sequence[Any], ordered: bool, tolerance: float) -> bool:
    if len(found) != len(expected):
        return False
    if not ordered:
        found, expected = sorted(found, key=_rank), sorted(expected, key=_rank)
    return all(len(one) == len(other) and all(_same_cell(a, b, tolerance) for a, b in zip(one, other, strict=True))
               for one, other in zip(found, expected, strict=True))


def _rank(row: Sequence[Any]) -> list[tuple[int, float, str]]:
    """An order in which numbers that are nearly the same stand together."""
    return [(0, 0.0, "") if cell is None else (2, 0.0, cell) if isinstance(cell, str) else (1, float(f"{cell:.6g}"), "")
            for cell in row]


def _same_cell(found: Any, expected: Any, tolerance: float) -> bool:
    numbers = isinstance(found, (int, float)) and isinstance(expected, (int, float))
    return found == expected or (numbers and abs(found - expected) <= tolerance)
