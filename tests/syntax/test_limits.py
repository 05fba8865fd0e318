"""Hostile and very large texts: an answer within seconds, never an exception of the parser's own."""

from __future__ import annotations

import sys
import time
from types import FrameType

import pytest

from rldsl.diagnostics.render import render_diagnostics
from rldsl.source import Source
from rldsl.syntax.format import format_module
from rldsl.syntax.parse import MAX_CHARACTERS, MAX_DEPTH, parse

HOSTILE = {
    "open brackets": "let a = " + "(" * 10_000,
    "pairs of brackets": "let a = " + "(" * 10_000 + "1" + ")" * 10_000,
    "open calls": "let a = " + "f(" * 100_000,
    "lists": "let a = " + "[" * 10_000 + "]" * 10_000,
    "blocks": "train {" + "repeat 2 {" * 10_000 + "}" * 10_001,
    "minus signs": "let a = " + "-" * 100_000 + "1",
    "nots": "let a = " + "not " * 100_000 + "b",
    "powers": "let a = " + "2 ^ " * 100_000 + "2",
    "elses": "let a = " + "b else " * 100_000 + "b",
    "a sum": "let a = " + "1 + " * 100_000 + "1",
    "fields": "let a = b" + ".c" * 100_000,
    "calls of calls": "let a = b" + "(c)" * 100_000,
    "ands": "let a = b" + " and b" * 100_000,
    "words": "a " * 200_000,
    "closing brackets": "}" * 200_000,
    "quotes": '"' * 200_001,
    "zeros": "\0" * 200_000,
    "blanks": "let a =" + " " * 3_000_000,
    "line ends": "let a = 1" + "\n" * 1_000_000 + "let b =",
    "comments": "let a " + "# x\n" * 100_000 + "= 1",
    "documentation": "##\n\n" * 100_000,
    "a long comment": "#" * 3_000_000,
    "a long text": 'let a = "' + "x" * 3_000_000 + '"',
    "a long name": "let " + "x" * 3_000_000 + " = 1",
    "a long number": "let a = " + "1" * 1_000_000,
    "a long bad word": "let a = " + "é" * 1_000_000,
    "surrogates": "let \ud800 = \udfff",
    "faults": "let a = (\n" * 100_000,
    "arguments": "let a = f(" + "b, " * 30_000 + ")",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_answered_quickly(name: str) -> None:
    source = Source("a.rl", HOSTILE[name])
    start = time.process_time()
    module, found = parse(source)
    render_diagnostics(found, {"a.rl": source}, color=False)
    assert time.process_time() - start < 2
    assert module is not None


def test_a_text_beyond_the_limit_is_refused_at_once() -> None:
    source = Source("a.rl", "let a = 1\n" * 1_000_000)
    start = time.process_time()
    module, found = parse(source)
    assert time.process_time() - start < 1
    assert module is None and len(source.text) > MAX_CHARACTERS
    assert [diagnostic.title for diagnostic in found] == ["this file is too large"]


@pytest.mark.parametrize("text", [
    "(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1), "-" * (MAX_DEPTH - 1) + "b", "b" + " + b" * (MAX_DEPTH - 1),
    "b else " * (MAX_DEPTH - 1) + "b", "f(" * (MAX_DEPTH // 2) + "1" + ")" * (MAX_DEPTH // 2), "b" + ".c" * (MAX_DEPTH - 1),
])
def test_depth_up_to_the_limit_is_read_compared_shown_and_formatted(text: str) -> None:
    source = Source("a.rl", f"let a = {text}")
    module, found = parse(source)
    assert not found and module is not None
    assert hash(module) and repr(module) and module == parse(source)[0]
    once, _ = format_module(source)
    assert once is not None and format_module(Source("a.rl", once))[0] == once


@pytest.mark.parametrize("text", [
    "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "-" * (MAX_DEPTH + 1) + "b", "b" + " + b" * (MAX_DEPTH + 1),
    "b else " * (MAX_DEPTH + 1) + "b", "f(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
])
def test_depth_beyond_the_limit_has_its_message(text: str) -> None:
    module, found = parse(Source("a.rl", f"let before = 1\nlet a = {text}\nlet after = 2"))
    assert [diagnostic.title for diagnostic in found] == ["this is nested too deeply"]
    assert module is not None and [item.span.start == 0 for item in module.items] == [True, False]


def test_the_recursion_limit_does_not_matter() -> None:
    frames, frame = 0, sys._getframe()
    while frame.f_back is not None:
        frames, frame = frames + 1, frame.f_back
    limit = sys.getrecursionlimit()
    source = Source("a.rl", "let a = " + "f(" * (MAX_DEPTH // 2) + "1" + ")" * (MAX_DEPTH // 2))
    parse(source)
    sys.setrecursionlimit(frames + 60)
    try:
        assert not parse(source)[1]
        assert format_module(source)[0] is not None
    finally:
        sys.setrecursionlimit(limit)


def test_work_grows_with_the_length_of_the_text() -> None:
    def calls(count: int) -> int:
        """Function calls, of Python and of C: unlike seconds they are the same on every machine."""
        source = Source("a.rl", "".join(f"let x{number:04} = mean(total, per: prompt) * 2\n" for number in range(count)))
        counted = 0

        def count_call(frame: FrameType, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        kept = sys.getprofile()
        sys.setprofile(count_call)
        try:
            module, found = parse(source)
        finally:
            sys.setprofile(kept)
        assert module is not None and len(module.items) == count and not found
        return counted

    calls(1)
    assert calls(2_000) < 4.1 * calls(500)
