"""One JSON object of the schema is a reply; everything else says what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from rldsl.rewards.judging.replies import LONGEST, MalformedReply, parse_reply

SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": False, "required": ["score"],
                          "properties": {"score": {"type": "number", "minimum": 0, "maximum": 10}, "quote": {"type": "string"}}}


@pytest.mark.parametrize("text", [
    '{"score": 7}',
    ' \n{"score": 7}\n ',
    '```json\n{"score": 7}\n```',
    '```\n{"score": 7}\n```\n',
    '<think>Perhaps {"score": 3}? No: 7.</think>\n{"score": 7}',
    '<think>\nlong\n</think>\n\n```json\n{"score": 7}\n```',
    '{"score": 7.0}',
])
def test_one_object_is_read_whatever_blanks_fence_or_reasoning_are_around_it(text: str) -> None:
    assert parse_reply(text, SCHEMA) == {"score": 7}


def test_a_quote_may_hold_what_it_likes() -> None:
    text = '{"score": 1, "quote": "a \\u0000 \\" } { ```json <think> é \\ud83d\\ude42"}'
    assert parse_reply(text, SCHEMA)["quote"] == 'a \x00 " } { ```json <think> é 🙂'


@pytest.mark.parametrize(("text", "says"), [
    ("", "the reply is empty"),
    ("   ", "the reply is empty"),
    ("7", "no JSON object but '7'"),
    ("[7]", "no JSON object"),
    ("The score is 7.", "no JSON"),
    ('Here it is: {"score": 7}', "no JSON"),
    ('{"score": 7} I am sure.', "goes on after its JSON with 'I am sure.'"),
    ('{"score": 7}{"score": 3}', "says two things"),
    ('{"score": 7}\n{"score": 7}', "says two things"),
    ('{"score": 7}\n```json\n{"score": 3}\n```', "says two things"),
    ('```json\n{"score": 7}\n```\n```json\n{"score": 3}\n```', "says two things"),
    ('{"score": 7, "score": 3}', "'score' stands in it twice"),
    ('{"score": NaN}', "NaN"),
    ('{"score": Infinity}', "Infinity"),
    ('{"score": -Infinity}', "-Infinity"),
    ('{"score": 1e999}', "no finite number"),
    ('{"score": 1' + "0" * 5000 + "}", "no JSON that can be read"),
    ('{"score": 11}', "does not fit: score: 11 is greater than the maximum of 10"),
    ('{"score": "7"}', "does not fit: score"),
    ('{"score": true}', "does not fit: score"),
    ('{"score": null}', "does not fit: score"),
    ("{}", "'score' is a required property"),
    ('{"score": 7, "bonus": 3}', "'bonus' was unexpected"),
    ('{"score": 7', "no JSON"),
    ('{"score": 7, "quote": "\\ud800"}', "half a character in it (U+D800)"),
    ('{"score": 7, "quote": "a\nb"}', "no JSON"),
    ("<think>It is long, and cut", "there is no </think>"),
    ("<think>a</think>", "the reply is empty"),
    ('Perhaps 3, or 7.</think>{"score": 7}', "reasons without <think>"),
    ('{"score": 3}</think>{"score": 7}', "goes on after its JSON"),
    ('{"a":' * 100_000, "nests too deeply"),
])
def test_anything_else_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(MalformedReply) as found:
        parse_reply(text, SCHEMA)
    assert says in str(found.value)
    assert len(str(found.value)) < 400


def test_a_reply_past_any_length_is_not_read() -> None:
    with pytest.raises(MalformedReply, match="more than"):
        parse_reply(" " * LONGEST + '{"score": 7}', SCHEMA)
