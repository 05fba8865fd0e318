"""What answers `steps:…`: a judge says where the steps of a text begin. The text is cut into numbered parts by rule; what the judge
may say is at which of them a step begins, so whatever it says, the steps are the text's own words and all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from rldsl.graph.model import Foreign
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.places import Places
from rldsl.rewards.rubrics.asking import Asking, Questions, cost_of
from rldsl.rewards.rubrics.form import RULES, quoted
from rldsl.rewards.run import Answers
from rldsl.rewards.signatures import Result
from rldsl.rewards.steps import cut_at
from rldsl.types import Element

MOST_PARTS = 200  # of one text in one question
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]»”’]))\s+(?=\S)")

STEPS = """\
The parts of a text, by their numbers and in their order:
{parts}

Say where the text takes a new step. A step is one move of the reasoning; one or more parts in a row are one step. Give the \
numbers of the parts with which a step begins, rising and each once; the first is 1. Reply with one JSON object of this form:
{{"starts": [1, ...]}}"""


def parts_of(text: str) -> list[int]:
    """Where the parts of a text begin: its lines that are not blank; of a text of one such line its sentences."""
    pieces = text.split("\n")
    begins = accumulate((len(piece) + 1 for piece in pieces[:-1]), initial=0)
    lines = [begin for begin, piece in zip(begins, pieces, strict=True) if piece.strip()]
    return lines if len(lines) != 1 else [lines[0], *(found.end() for found in _SENTENCE_END.finditer(text, lines[0]))]


def about_parts(parts: Sequence[str]) -> Question:
    """At which of these parts a step begins."""
    lines = "\n".join(f"{number}. {quoted(part)}" for number, part in enumerate(parts, start=1))
    number = {"type": "integer", "minimum": 1, "maximum": len(parts)}
    starts = {"type": "array", "items": number, "minItems": 1, "maxItems": len(parts)}
    schema = {"type": "object", "properties": {"starts": starts}, "required": ["starts"], "additionalProperties": False}
    return Question(RULES, STEPS.format(parts=lines), schema)


def read_starts(answered: Answered, count: int) -> list[int] | Failure:
    """The numbers at which steps begin, of `count` parts: 1 first, rising, each one of the parts; and nothing else is said."""
    unasked = [name for name in answered.value if name != "starts"]
    if unasked:
        return _malformed(f"the reply has {quoted(unasked[0])}, which was not asked for")
    said = answered.value.get("starts")
    if not isinstance(said, list) or not all(type(number) is int for number in said):
        return _malformed("the reply has no list of whole numbers under starts")
    if not said or said[0] != 1:
        return _malformed("the first step does not begin with part 1")
    if any(first >= second for first, second in pairwise(said)):
        return _malformed("the numbers of the parts do not rise")
    return said if said[-1] <= count else _malformed(f"there is no part {said[-1]}, the last one is {count}")


def _malformed(message: str) -> Failure:
    return Failure(FailureKind.MALFORMED, message)


@dataclass(frozen=True, slots=True)
class CutService(Asking):
    """The steps of texts: one question for each different text of more than one part. A text of one part is one step, and nobody is
    asked about it."""

    expands: ClassVar[bool] = True

    def result(self, operation: Foreign) -> Result:
        """What a step says."""
        return Result(Element.TEXT)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """The one column holds the texts."""
        [texts] = columns
        parts = [parts_of(text) for text in texts]
        questions = Questions()
        places = [_asked(questions, text, starts) for text, starts in zip(texts, parts, strict=True)]
        replies = self.replies(operation, questions.asked)
        said = [None if place is None else replies[place] for place in places]
        values = [_cut(text, starts, reply) for text, starts, reply in zip(texts, parts, said, strict=True)]
        evidence = {item: _evidence(value, reply) for item, (value, reply) in enumerate(zip(values, said, strict=True))
                    if reply is not None}
        return Answers(list(values), evidence, cost_of(replies), len(replies))


def _asked(questions: Questions, text: str, starts: Sequence[int]) -> int | None:
    """The place of the question about a text; None if there is nothing to ask."""
    if not 1 < len(starts) <= MOST_PARTS:
        return None
    parts = [text[start:stop].strip() for start, stop in pairwise([*starts, len(text)])]
    return questions.add(text, 1, lambda _: about_parts(parts))[0]


def _cut(text: str, parts: Sequence[int], reply: Answered | Failure | None) -> Places | Failure:
    if len(parts) > MOST_PARTS:
        return Failure(FailureKind.LIMIT, f"a text of {len(parts)} parts; a judge reads at most {MOST_PARTS} at once")
    if reply is None:
        return cut_at(text, ())
    found = reply if isinstance(reply, Failure) else read_starts(reply, len(parts))
    return found if isinstance(found, Failure) else cut_at(text, [parts[number - 1] for number in found[1:]])


def _evidence(value: Places | Failure, reply: Answered | Failure) -> Mapping[str, Any]:
    if isinstance(value, Failure):
        return {"failed": str(value)}
    assert isinstance(reply, Answered)
    return {"starts": reply.value["starts"]}
