"""Node evaluations a second of the cheap verifiers, alone and in the graph of a spec, what a call of a function in a child
process costs, and code against tests.

Run as `python benchmarks/rewards.py`. Prints; judges nothing.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import rldsl
from rldsl.graph.model import Foreign
from rldsl.rewards.run import HostCalls

COUNT = 10_000
SCHEMA = '{"type": "object", "required": ["answer"], "properties": {"answer": {"type": "number"}}}'
SPEC = '''
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target  other: Text target  form: Text target }
policy actor from tiny(layers: 1, width: 8, heads: 2, tokenizer: characters("ab"))
rollout y ~ actor(problems.question) { samples: 1, max_tokens: 8 }
reward equal = verify.equal(y.text, problems.answer)
reward number = verify.number(y.text, problems.answer)
reward marked = verify.regex(y.text, "####\\\\s*\\\\d+\\\\s*$")
reward form = verify.json_schema(problems.form, """SCHEMA""")
reward places = text.matching_places(y.text, problems.other)
reward total = number * (0.5 + 0.2 * marked + 0.2 * form) + 0.05 * places + 0.05 * equal
'''
REWARDS = '''
def length(text):
    return min(1.0, len(text) / 1000)

def lengths(completions, **columns):
    return [min(1.0, len(text) / 1000) for text in completions]
'''


def completions(count: int) -> tuple[list[str], list[str]]:
    """Reasoning of some hundred characters that ends in an answer, right in half of the cases."""
    source = random.Random(0)
    words = ["so", "we", "add", "the", "two", "numbers", "and", "divide", "by", "what", "is", "left", "again"]
    texts, answers = [], []
    for index in range(count):
        reasoning = " ".join(source.choices(words, k=source.randrange(20, 120)))
        texts.append(f"{reasoning} {index}.\nThe answer is \\boxed{{{index}}}\n#### {index}")
        answers.append(str(index if source.random() < 0.5 else index + 1))
    return texts, answers


def timed(calls: HostCalls, operation: Foreign, inputs: list[list[Any]]) -> float:
    """Seconds of the second of two runs: the first starts processes."""
    calls.call(operation, [column[:64] for column in inputs])
    started = time.perf_counter()
    outcome = calls.call(operation, inputs)
    seconds = time.perf_counter() - started
    print(f"{operation.name:24} {len(outcome) / seconds:12,.0f} a second   ({len(outcome.failed)} failed)")
    return seconds


def in_a_graph(texts: list[str], answers: list[str], json_texts: list[str]) -> None:
    """The five as parts of one reward: two of them count where the number is right, which is half of the texts."""
    total = rldsl.compile(SPEC.replace('"""SCHEMA"""', json.dumps(SCHEMA))).reward("total")
    columns = {"answer": answers, "other": texts[1:] + texts[:1], "form": json_texts}
    total(texts[:64], **{name: column[:64] for name, column in columns.items()})
    started = time.perf_counter()
    total(texts, **columns)
    seconds = time.perf_counter() - started
    total.close()
    print(f"{'the five in one reward':24} {5 * len(texts) / seconds:12,.0f} node evaluations a second\n")


def main() -> None:
    """Five cheap verifiers over 10,000 completions; then the costly ones over fewer."""
    texts, answers = completions(COUNT)
    json_texts = [f'{{"answer": {answer}}}' for answer in answers]
    cheap = [
        (Foreign("verify.equal", ("text", "answer")), [texts, answers]),
        (Foreign("verify.number", ("text", "answer")), [texts, answers]),
        (Foreign("verify.regex", ("text", "pattern")), [texts, [r"####\s*\d+\s*$"] * COUNT]),
        (Foreign("verify.json_schema", ("text", "schema")), [json_texts, [SCHEMA] * COUNT]),
        (Foreign("text.matching_places", ("text", "answer")), [texts, texts[1:] + texts[:1]]),
    ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rewards.py").write_text(REWARDS)
        with HostCalls((), Path(folder)) as calls:
            total = sum(timed(calls, operation, inputs) for operation, inputs in cheap)
            print(f"{'the five together':24} {len(cheap) * COUNT / total:12,.0f} node evaluations a second\n")
            in_a_graph(texts, answers, json_texts)
            timed(calls, Foreign("answer", ("text",)), [texts])
            timed(calls, Foreign("verify.math", ("text", "answer")), [texts[:1000], answers[:1000]])
            for name, isolate in (("length", "process"), ("length", "none"), ("lengths", "process")):
                settings = (("function", f"rewards:{name}"), ("isolate", isolate), ("range", (0.0, 1.0)))
                print(f"{name}, isolate: {isolate}", end=": ")
                timed(calls, Foreign("verify.python", ("text",), settings), [texts])
    bench_code(400)


def code(count: int) -> tuple[list[str], list[list[str]]]:
    """Different programs of some lines with three tests each, right in half of the cases."""
    texts = [f"Sum of squares.\n```python\ndef total(values):\n    found = {index} * 0\n    for value in values:\n"
             f"        found += value * value\n    return found{'' if index % 2 else ' + 1'}\n```" for index in range(count)]
    return texts, [["assert total([1, 2]) == 5", "assert total([]) == 0", "assert total([3]) == 9"]] * count


def bench_code(count: int) -> None:
    """Items with three tests a second at each level of isolation that this machine has."""
    texts, tests = code(count)
    programs = ["```python\nprint(sum(int(word) for word in input().split()))\n```\n" + f"({index})" for index in range(count)]
    cases = [[{"input": "1 2 3", "output": "6"}]] * count
    for isolate in ("process", "namespace"):
        settings = (("isolate", isolate),)
        with tempfile.TemporaryDirectory() as folder, HostCalls((), Path(folder)) as calls:
            print(f"isolate: {isolate}", end=": ")
            timed(calls, Foreign("verify.tests", ("text", "tests"), settings), [texts, tests])
            print(f"isolate: {isolate}", end=": ")
            timed(calls, Foreign("verify.program", ("text", "cases"), settings), [programs, cases])


if __name__ == "__main__":
    main()
