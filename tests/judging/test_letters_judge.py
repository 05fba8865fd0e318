"""The judge of letters that the example of rubrics is tried with answers what a rubric asks."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from rldsl.rewards.judging.question import Answered, Question
from tests.judging.given import judge_at

_found = spec_from_file_location("letters_judge", Path(__file__).parents[2] / "examples" / "tasks" / "letters_judge.py")
assert _found is not None and _found.loader is not None
_module = module_from_spec(_found)
_found.loader.exec_module(_module)
serving = _module.serving
SCALE = {"type": "string", "enum": ["no", "partly", "yes"]}


def form(parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}


def verdicts(said: str) -> list[str]:
    """On the criteria of the example."""
    criteria = ["The letters stand in the order of the alphabet", "Every letter of the question is there", "A letter is said twice",
                "It answers with letters alone", "It speaks of how it will be judged"]
    lines = "\n".join(f'{number}. {json.dumps(text)}: "no" | "partly" | "yes"' for number, text in enumerate(criteria, start=1))
    user = f'Texts:\n{{\n  "text": {json.dumps(said)},\n  "question": "cab>"\n}}\n\nCriteria, by their numbers:\n{lines}\n'
    schema = form({str(number): form({"verdict": SCALE}) for number in range(1, 6)})
    with serving() as url, judge_at(url) as judge:
        [found] = judge.ask([Question("You judge.", user, schema)])
    assert isinstance(found, Answered), found
    return [found.value[str(number)]["verdict"] for number in range(1, 6)]


def test_letters_are_judged_by_what_they_are() -> None:
    assert verdicts("abc") == ["yes", "yes", "no", "yes", "no"]
    assert verdicts("acb") == ["partly", "yes", "no", "yes", "no"]
    assert verdicts("cc") == ["no", "partly", "yes", "yes", "no"]
    assert verdicts('a"}') == ["partly", "partly", "no", "no", "no"]
    assert verdicts("") == ["no", "no", "no", "no", "no"]


def test_of_two_answers_the_better_one_is_preferred() -> None:
    better = form({"better": {"enum": ["B", "tie", "A"]}})
    with serving() as url, judge_at(url) as judge:
        users = ['{"A": "abc", "B": "cba", "question": "cab>"}', '{"A": "a", "B": "abc", "question": "cab>"}',
                 '{"A": "abc", "B": "abc", "question": "cab>"}']
        found = judge.ask([Question("You judge.", f"Texts:\n{user}", better) for user in users])
    assert [entry.value["better"] for entry in found if isinstance(entry, Answered)] == ["A", "B", "tie"]
