"""A judge for `rewards.rl` that needs no model and no network: it reads lines of sums by rules and answers over HTTP.

    python examples/tasks/sums_judge.py --port 8000
    JUDGE_URL=http://127.0.0.1:8000/v1 rldsl run examples/rewards.rl

It answers the four things that are asked there: criteria, which of two answers is better, where steps begin, which steps are right.
"""

from __future__ import annotations

import json
import re
from typing import Any

from letters_judge import CRITERION, on_scale, serve_until_stopped

LINE = re.compile(r"([ab])=(\w+)([+*])(\w+)(?: #(\d+))?")


def read(text: str) -> tuple[list[str], list[bool], int | None]:
    """The lines of an answer that are not blank, which of them are one operation on what is known and claim nothing wrong, and what
    the last one gives."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known: dict[str, int] = {}
    right: list[bool] = []
    value: int | None = None
    for line in lines:
        found = LINE.fullmatch(line)
        numbers = [known.get(word, int(word) if word.isdecimal() else None) for word in found.group(2, 4)] if found else [None]
        if found is None or None in numbers:
            right.append(False)
            value = None
            continue
        first, second = (number for number in numbers if number is not None)
        value = known[found[1]] = first + second if found[3] == "+" else first * second
        right.append(found[5] is None or int(found[5]) == value)
    return lines, right, value


def wanted(question: str) -> int | None:
    """What `2+3*4>` asks for."""
    found = re.match(r"(\d)\+(\d)\*(\d)>", question)
    return int(found[1]) + int(found[2]) * int(found[3]) if found else None


def holds(criterion: str, said: str, question: str) -> float:
    """How much a criterion holds, from 0 to 1; what it does not know does not hold."""
    lines, right, _ = read(said)
    match criterion.lower():
        case text if "one operation" in text:
            return sum(right) / len(right) if right else 0.0
        case text if "what comes out" in text:
            return float(said.strip().endswith(f"#{wanted(question)}"))
        case text if "another has said" in text:
            return float(len(set(lines)) < len(lines))
        case text if "nothing else" in text:
            return float(bool(lines) and all(LINE.fullmatch(line) for line in lines))
        case _:
            return 0.0


def worth(said: str, question: str) -> float:
    """By what two answers are compared."""
    _, right, value = read(said)
    return sum(right) / max(len(right), 1) + float(value is not None and value == wanted(question))


def answer(user: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The object of a schema that a question asks for."""
    parts: dict[str, Any] = schema["properties"]
    numbered = [json.loads(text) for text in CRITERION.findall(user)]
    if "starts" in parts:
        return {"starts": list(range(1, len(numbered) + 1))}  # each line is a step
    texts, _ = json.JSONDecoder().raw_decode(user[user.index("{"):])
    question = str(texts.get("question", ""))
    if "better" in parts:
        a, b = (worth(texts[name], question) for name in "AB")
        return dict.fromkeys(parts, "") | {"better": "A" if a > b else "B" if b > a else "tie"}
    forms: list[dict[str, Any]] = [parts[str(number)]["properties"] for number in range(1, len(numbered) + 1)]
    if forms and "critique" in forms[0]:
        right = [read("\n".join(numbered[:number]))[1][-1:] == [True] for number in range(1, len(numbered) + 1)]
        return {str(number): {"critique": "it follows" if fits else "it does not follow", "verdict": "right" if fits else "wrong"}
                for number, fits in enumerate(right, start=1)}
    said = str(next(iter(texts.values())))
    verdicts = [on_scale(holds(text, said, question), form["verdict"]) for text, form in zip(numbered, forms, strict=True)]
    return {str(number): {name: verdict if name == "verdict" else "" for name in form}
            for number, (verdict, form) in enumerate(zip(verdicts, forms, strict=True), start=1)}


if __name__ == "__main__":
    serve_until_stopped(answer)
