"""What the tests of rewards share: operations written short, and the reward functions of a project."""

from __future__ import annotations

from typing import Any

from rldsl.graph.model import Foreign


def operation(name: str, *names: str, **settings: Any) -> Foreign:
    """`operation("verify.equal", "text", "answer", ignore_case=True)`."""
    return Foreign(name, names, tuple(sorted(settings.items())))


def function(name: str, *names: str, low: float = 0.0, high: float = 1.0, **settings: Any) -> Foreign:
    """`verify.python("rewards:NAME", …)` of the project below; `text` is the input where none is named."""
    return operation("verify.python", *(names or ("text",)), function=f"rewards:{name}", range=(low, high),
                     **settings)


REWARDS = r'''
import os, subprocess, sys, threading, time
import beside

def same(text, answer):
    return float(text == answer)

def half(text):
    return 0.5

def number(text):
    return float(text)

def true(text):
    return text == "yes"

def none(text):
    return None if text == "?" else 1.0

def word(text):
    return "good"

def list_of(text):
    return [1.0]

def numpy_number(text):
    import numpy
    return numpy.float32(0.25)

def numpy_array(text):
    import numpy
    return numpy.array([0.1, 0.2])

def raises(text):
    if text == "bad":
        raise ValueError("no such text")
    return 1.0

def exits(text):
    sys.exit(3)

def hangs(text):
    if text == "hang":
        time.sleep(60)
    return 1.0

def spins(text):
    import re
    return float(re.match(r"(a+)+$", text) is not None)

def crashes(text):
    if text == "crash":
        print("going down", flush=True)
        os._exit(7)
    return 1.0

def dies(text):
    if text == "die":
        os.kill(os.getpid(), 11)
    return 1.0

def always_crashes(text):
    os._exit(1)

def prints(text):
    print('{"value": 3}')
    print("x" * 3_000_000)
    sys.stderr.write("y" * 300_000)
    os.write(1, b"[\"value\", 9]\n" * 1000)
    return 1.0

def reads(text):
    return float(len(sys.stdin.read()))

def pid(text):
    return float(os.getpid())

def where(text):
    return float(os.path.exists("rewards.py") and beside.WORD == "beside")

def slow(text):
    time.sleep(0.05)
    return 1.0

def slow_pid(text):
    time.sleep(0.05)
    return float(os.getpid())

def grandchild(text):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    with open(text, "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(300)

def stuck_in_c(text):
    with open(text, "w") as file:
        file.write(f"{os.getpid()} {os.getpid()}")
    import re
    re.match(r"(a+)+$", "a" * 60 + "!")

def typed(text, count, flag):
    return 1.0 if type(count) is int and type(flag) is bool else 0.0

def shout(text):
    return text.upper()

async def later(text):
    import asyncio
    await asyncio.sleep(0)
    return 0.75

def whole(texts):
    return [len(text) / 10 for text in texts]

def whole_distinct(texts):
    return [1 / texts.count(text) for text in texts]

def whole_short(texts):
    return [1.0]

def whole_number(texts):
    return 1.0

def whole_mixed(texts):
    return [1.0, "a", None, float("nan"), [1], 3.0][:len(texts)]

def whole_array(texts):
    import numpy
    return numpy.linspace(0, 1, len(texts))

def whole_raises(texts):
    raise RuntimeError("all of them")

def trl_reward(prompts, completions, answer, **kwargs):
    return [None if text == "?" else float(text == right) for text, right in zip(completions, answer)]

def trl_chat(completions, **kwargs):
    return [float(messages == [{"role": "assistant", "content": "hi"}]) for messages in completions]

async def trl_async(completions, **kwargs):
    return [0.5 for _ in completions]

def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return {"score": float(data_source == "gsm8k" and solution_str == ground_truth), "other": 1}

def areal(prompt, completions, prompt_ids, completion_ids, answer="", **row):
    good = completions == answer and prompt_ids == [7, 8] and len(completion_ids) == len(completions)
    return float(good and prompt == "q" and type(completion_ids) is list and sorted(row) == ["level"])

def seen(completions, **kwargs):
    return [float(sorted(kwargs) == ["answer"])] * len(completions)

def other_names(candidate, gold):
    return float(candidate == gold)

def swapped(answer, text):
    return float(text == "t" and answer == "a")

def half_named(text, gold):
    return 1.0
'''
