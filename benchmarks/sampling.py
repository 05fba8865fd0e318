"""Tokens a second of rldsl's sampler and of `transformers.generate`, on the quickstart's policy, turn by turn.

    python benchmarks/sampling.py --rounds 10

Both draw from the same model, the same prompts, the same batch, at temperature 1, for as many tokens. Counted are the
tokens up to the end token. `distinct` has as many prompts as answers; `grouped` draws 16 answers for each prompt, as
group-relative methods do. A third column is the update: forward and backward of the body at the drawn tokens.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads collapse on shared machines

import torch

from rldsl.graph.spec import Invocation, ModelSpec, Role
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.score import hidden_rows
from rldsl.rollouts.signatures import Sampling
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.source import Span

ALPHABET = "0123456789+-*()=,>|abcdefghijklmnop[]{}"


def quickstart_policy() -> LoadedModel:
    """2 layers, width 96, 4 heads, about 40 characters."""
    arguments = (("layers", 2), ("width", 96), ("heads", 4), ("positions", 64),
                 ("tokenizer", Invocation("characters", (ALPHABET,))))
    spec = ModelSpec("actor", Role.POLICY, Invocation("tiny", (), arguments), None, False, False, (),
                     Span("benchmark", 0, 0))
    return load_model(spec, seed=0)


def prompts_of(count: int, letters: int) -> list[str]:
    """Random letters and a `>`."""
    chance = random.Random(0)
    return ["".join(chance.choices("abcdefgh", k=letters)) + ">" for _ in range(count)]


def by_generate(model: LoadedModel, prompts: list[str], tokens: int) -> int:
    """Tokens drawn by transformers."""
    ids = torch.tensor([model.tokenizer(prompt)["input_ids"] for prompt in prompts])
    with torch.inference_mode():
        out = model.module.generate(  # type: ignore[union-attr, operator]
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0,
            max_new_tokens=tokens, pad_token_id=model.tokenizer.pad_token_id)
    answers = out[:, ids.shape[1]:]
    ended = (answers == model.ends[0]).cumsum(1)
    return int(((ended == 0) | ((ended == 1) & (answers == model.ends[0]))).sum())


def by_rldsl(model: LoadedModel, prompts: list[str], samples: int, tokens: int, seed: int) -> ResponseTokens:
    """Tokens drawn by rldsl."""
    return sample(model, prompts, Sampling(tokens, samples=samples), seed=seed)


def update(model: LoadedModel, drawn: ResponseTokens) -> int:
    """One forward and backward of the body."""
    hidden = hidden_rows(model, drawn, range(drawn.samples), grad=True).hidden
    hidden.backward(torch.ones_like(hidden))
    model.module.zero_grad()
    return len(drawn.ids)


def rate(work: Callable[[], int]) -> float:
    """Tokens a second of one call."""
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)


def compare(name: str, model: LoadedModel, prompts: int, samples: int, arguments: argparse.Namespace) -> None:
    """Prints medians over rounds in which each takes its turn, and the median of the rounds' ratios."""
    rows = prompts_of(prompts, arguments.letters)
    repeated = [prompt for prompt in rows for _ in range(samples)]
    drawn = by_rldsl(model, rows, samples, arguments.tokens, 0)
    ours, theirs, updates = [], [], []
    for turn in range(arguments.rounds + 1):
        ours.append(rate(lambda turn=turn: len(by_rldsl(model, rows, samples, arguments.tokens, turn).ids)))  # type: ignore[misc]
        theirs.append(rate(lambda: by_generate(model, repeated, arguments.tokens)))
        updates.append(rate(lambda: update(model, drawn)))
    ratio = statistics.median(a / b for a, b in zip(ours[1:], theirs[1:], strict=True))
    print(f"{name:9} {prompts:4} x {samples:<3} rldsl {statistics.median(ours[1:]):8,.0f}   transformers.generate "
          f"{statistics.median(theirs[1:]):8,.0f} tokens/s   ratio {ratio:.2f}   update "
          f"{statistics.median(updates[1:]):8,.0f} tokens/s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="rldsl's sampler against transformers.generate")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=7)
    parser.add_argument("--letters", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = quickstart_policy()
    compare("distinct", model, 512, 1, arguments)
    compare("grouped", model, 32, 16, arguments)


if __name__ == "__main__":
    main()
