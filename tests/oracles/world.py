"""The numbers of a comparison: a ragged update batch, packed for us and padded for a peer. Knows no loss.

Everything is drawn once, from a seed. Logits are float32 numbers held in float64, so that a kernel that takes float32 gets
the very same ones. Policies lie near each other, so that ratios fall on both sides of every clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import cycle

import numpy as np
import torch
from torch import Tensor

from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout

VOCABULARY = 7
PAD = 0.37  # what stands at padding where a peer promises to mask it
POLICIES = ("actor", "ref", "behaviour", "proximal")
GIVEN = ("win", "lose", "gold", "other")

# Every number that a spec may take from outside, under its own name. No two are the same expression, which the compiler would
# compute once and ask for under one name.
HEAD = """
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") {
  prompt: Text  chosen: Text  rejected: Text  best: Text  mismatched: Text
  liked: Bool  margin: Real  label: Real
}
policy actor from hf("model")
policy ref = frozen(actor)
critic v from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
response gold = pairs.best given pairs.prompt
response other = pairs.mismatched given pairs.prompt
extern fn judged(answer: Text) -> Real in [-10, 10] = python("numbers:judged")
extern fn judged_again(answer: Text) -> Real in [-10, 10] = python("numbers:judged_again")
extern fn solved(answer: Text) -> Real in [0, 1] = python("numbers:solved")
extern fn ranked(answer: Text) -> Real in [-10, 10] = python("numbers:ranked")
extern fn estimated(answer: Text) -> Real in [-10, 10] = python("numbers:estimated")
reward total = judged(y.text)
reward second = judged_again(y.text)
reward score = ranked(y.text)
reward success = solved(y.text)
reward advantage = estimated(y.text)
reward greedy = judged(problems.question)
extern fn read_out(answer: Text) -> Text = python("numbers:read_out")
extern fn read_again(answer: Text) -> Text = python("numbers:read_again")
extern fn laid_out(answer: Text) -> Text = python("numbers:laid_out")
extern fn told(answer: Text) -> Text = python("numbers:told")
let said = read_out(y.text)
let said_again = read_again(y.text)
let formed = laid_out(y.text)
let wordy = told(y.text)
let steps = split(y.text, at: "|")
let old = 0 + logp(actor, y)
let token_reward = 2 * value(v, y)
let token_return = 3 * value(v, y)
let token_advantage = 4 * value(v, y)
let token_weight = abs(value(v, y))
let old_value = 0 + value(v, y)
let draw = 1 * sigmoid(value(v, y))
"""
PARENTS = {
    "problems": "batch",
    "y.sample": "problems",
    "y.token": "y.sample",
    "y.step": "y.sample",
    "pairs": "batch",
    **{f"{name}.token": "pairs" for name in GIVEN},
}


@dataclass(frozen=True)
class Shape:
    """How many samples each prompt has, how many tokens each answer, and how many the given responses of each row."""

    samples: tuple[int, ...]
    answers: tuple[int, ...]
    given: Mapping[str, tuple[int, ...]]

    @cached_property
    def layout(self) -> Layout:
        """Of every axis that `HEAD` declares."""
        counts = {
            "problems": (len(self.samples),),
            "y.sample": self.samples,
            "y.token": self.answers,
            "y.step": [len(sizes) for sizes in self.steps],
            "pairs": (len(self.given["win"]),),
            **{f"{name}.token": self.given[name] for name in GIVEN},
        }
        return Layout.of(PARENTS, counts, {"y.step": ("y.token", np.concatenate(self.steps))})

    @property
    def steps(self) -> Sequence[Sequence[int]]:
        """How many tokens each step of each answer has. Every text has a step; one of four may be without a token."""
        return [_steps(tokens) for tokens in self.answers]


def _steps(tokens: int) -> Sequence[int]:
    found: list[int] = []
    for size in cycle((2, 1, 0, 3)):
        found.append(min(size, tokens - sum(found)))
        if sum(found) == tokens:
            return found
    raise AssertionError


RAGGED = {"win": (2, 3, 1, 6), "lose": (4, 1, 2, 3), "gold": (3, 2, 2, 5), "other": (1, 5, 2, 2)}
SHAPES = {
    "ragged": Shape((4, 3, 2), (3, 1, 5, 4, 2, 6, 3, 1, 4), RAGGED),
    "empty answers": Shape((4, 3, 2), (3, 0, 5, 4, 2, 6, 0, 1, 4), {**RAGGED, "win": (2, 0, 1, 6), "lose": (4, 1, 0, 3)}),
    "single answers": Shape((1, 3, 1), (2, 4, 1, 3, 5), RAGGED),
    "two answers": Shape((2, 2, 2, 2), (3, 1, 5, 4, 2, 6, 3, 1), RAGGED),
    "even groups": Shape((3, 3, 3), (3, 1, 5, 4, 2, 6, 3, 1, 4), RAGGED),
}


@dataclass(frozen=True, eq=False)
class World:
    """One update batch. `logits` by policy and response, `inputs` by the name under which an objective asks for them, `texts` of
    the answers by theirs."""

    shape: Shape
    targets: Mapping[str, Tensor]
    logits: Mapping[tuple[str, str], Tensor]
    inputs: Mapping[str, tuple[str, Tensor]]  # the axis, and packed numbers on it
    values: Mapping[str, Tensor]  # of the critic, by response
    texts: Mapping[str, Sequence[str]]

    @property
    def layout(self) -> Layout:
        """How the numbers are packed."""
        return self.shape.layout

    def layout_of(self, spec: Spec) -> Layout:
        """Of the axes that a spec has."""
        axes = [name for name in spec.axes if name in PARENTS]
        axes += ["y.step"] if "y.token" in axes else []  # a call makes that axis
        counts = {name: np.diff(self.layout.offsets[name]) for name in axes}
        covers = {axis: (over, np.diff(starts)) for axis, (over, starts) in self.layout.covers.items() if axis in axes}
        return Layout.of({name: PARENTS[name] for name in axes}, counts, covers)

    def packed(self, name: str) -> Tensor:
        """A frozen input."""
        return self.inputs[name][1]


@cache
def world(shape: str, seed: int) -> World:
    """The numbers of a seed in a shape."""
    random = np.random.default_rng([seed, *map(ord, shape)])
    layout = SHAPES[shape].layout
    targets, logits, values = {}, {}, {}
    for response in ("y", *GIVEN):
        count = layout.size(f"{response}.token")
        targets[response] = torch.from_numpy(random.integers(0, VOCABULARY, count))
        base = random.standard_normal((count, VOCABULARY))
        for policy in POLICIES:
            near = base + 0.4 * random.standard_normal(base.shape)
            logits[policy, response] = torch.from_numpy(near.astype(np.float32).astype(np.float64))
        values[response] = torch.from_numpy(random.standard_normal(count))
    inputs = _inputs(layout, random, targets, logits)
    return World(SHAPES[shape], targets, logits, inputs, values, _texts(layout.size("y.sample"), random))


FORMS = (
    "<think>a b</think><answer>c</answer>",
    "<think>a\nb</think>\n<answer>\nc\n</answer>",
    "<think></think><answer></answer>",
    "So: <think>a</think><answer>c</answer>",
    "<think>a</think><answer>c</answer> done",
    "<think>a</think>c",
    "<answer>c</answer><think>a</think>",
    "<think>a<answer>c</answer>",
    "c",
    "",
)


def _texts(answers: int, random: np.random.Generator) -> dict[str, Sequence[str]]:
    """What is said is one of three, so that there are majorities and ties; words come again, in runs of three too."""
    return {
        "said": random.choice(["7", "8", "9"], answers).tolist(),
        "said_again": random.choice(["7", "8", "9"], answers).tolist(),
        "formed": random.choice(FORMS, answers).tolist(),
        "wordy": [" ".join(random.choice(["a", "b", "c"], count)) for count in random.integers(0, 12, answers)],
    }


def _inputs(
    layout: Layout, random: np.random.Generator, targets: Mapping[str, Tensor], logits: Mapping[tuple[str, str], Tensor]
) -> dict[str, tuple[str, Tensor]]:
    """Rewards are multiples of 1/8, as rewards often are: ties, and groups in which all are the same, occur."""

    def on(axis: str, values: np.ndarray) -> tuple[str, Tensor]:
        return axis, torch.from_numpy(np.asarray(values, np.float64))

    answers, tokens, rows = layout.size("y.sample"), layout.size("y.token"), layout.size("pairs")
    found = {
        "y_logp": ("y.token", chosen(logits["behaviour", "y"], targets["y"])),
        "old": ("y.token", chosen(logits["proximal", "y"], targets["y"])),
        "total": on("y.sample", random.integers(-8, 9, answers) / 8),
        "second": on("y.sample", random.integers(-8, 9, answers) / 4),
        "score": on("y.sample", random.standard_normal(answers)),
        "success": on("y.sample", random.integers(0, 2, answers)),
        "advantage": on("y.sample", random.integers(-8, 9, answers) / 8),
        "greedy": on("problems", random.integers(-8, 9, layout.size("problems")) / 8),
        "pairs_liked": on("pairs", random.permutation(np.arange(rows) > 0)),
        "pairs_margin": on("pairs", random.random(rows)),
        "pairs_label": on("pairs", random.random(rows)),
        "token_weight": on("y.token", np.exp(0.6 * random.standard_normal(tokens))),
        "draw": on("y.token", random.permutation(tokens) / max(tokens, 1)),
    }
    for name in ("token_reward", "token_return", "token_advantage", "old_value"):
        found[name] = on("y.token", random.standard_normal(tokens))
    for response in ("y", *GIVEN):
        axis = f"{response}.token"
        found[f"ref_logp_{response}"] = (axis, chosen(logits["ref", response], targets[response]))
        found[f"{response}_length"] = on("y.sample" if response == "y" else "pairs", np.diff(layout.offsets[axis]))
    return found


def chosen(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probabilities of the tokens that stand there."""
    return torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0]


@dataclass(frozen=True, eq=False)
class Padded:
    """The same numbers as a peer takes them: one row an answer, padded on the right, with a mask. `leaves` require a
    gradient: what a peer computes is differentiated by them, and so is what we compute."""

    world: World
    dtype: torch.dtype = torch.float64
    leaves: dict[tuple[str, str], Tensor] = field(default_factory=dict)

    def _leaf(self, model: str, response: str, numbers: Tensor) -> Tensor:
        if (model, response) not in self.leaves:
            self.leaves[model, response] = numbers.to(self.dtype, copy=True).requires_grad_()
        return self.leaves[model, response]

    # ------------------------------------------------------------ masks
    def lengths(self, response: str = "y") -> Tensor:
        """How many tokens each answer has."""
        return torch.from_numpy(np.diff(self.world.layout.offsets[f"{response}.token"]))

    def mask(self, response: str = "y", width: int | None = None) -> Tensor:
        """1 at tokens, 0 at padding, in the arithmetic's type. There is always a column of padding alone."""
        lengths = self.lengths(response)
        columns = torch.arange(int(lengths.max()) + 1 if width is None else width)
        return (columns < lengths[:, None]).to(self.dtype)

    def pad(self, packed: Tensor, response: str = "y", fill: float = PAD, width: int | None = None) -> Tensor:
        """Packed numbers of tokens, or rows of the vocabulary, as a rectangle."""
        mask = self.mask(response, width).bool()
        out = torch.full((*mask.shape, *packed.shape[1:]), fill, dtype=packed.dtype)
        return out.masked_scatter(mask.reshape(*mask.shape, *(1,) * (packed.ndim - 1)).expand(out.shape), packed)

    # ------------------------------------------------------------ live
    def live_logits(self, response: str = "y", model: str = "actor") -> Tensor:
        """Packed logits, of a policy under training."""
        return self._leaf(model, response, self.world.logits[model, response])

    def logits(self, response: str = "y", model: str = "actor", width: int | None = None) -> Tensor:
        """Padded logits; live for the actor."""
        packed = self.live_logits(response) if model == "actor" else self.world.logits[model, response].to(self.dtype)
        return self.pad(packed, response, 0.0, width)

    def logp(self, response: str = "y", model: str = "actor", fill: float = PAD, width: int | None = None) -> Tensor:
        """Padded log-probabilities of the answers' tokens; live for the actor."""
        packed = self.live_logits(response) if model == "actor" else self.world.logits[model, response].to(self.dtype)
        return self.pad(chosen(packed, self.world.targets[response]), response, fill, width)

    def value(self, response: str = "y", fill: float = PAD) -> Tensor:
        """Padded values of the critic under training, of the state before each token."""
        return self.pad(self._leaf("v", response, self.world.values[response]), response, fill)

    # ------------------------------------------------------------ frozen
    def frozen(self, name: str, fill: float = PAD, width: int | None = None) -> Tensor:
        """A frozen input: padded if it is one of tokens, else one number an answer, a row or a prompt."""
        axis, packed = self.world.inputs[name]
        packed = packed.to(self.dtype)
        return self.pad(packed, axis.removesuffix(".token"), fill, width) if axis.endswith(".token") else packed.clone()

    def tokens(self, response: str = "y", width: int | None = None) -> Tensor:
        """Padded token ids."""
        return self.pad(self.world.targets[response], response, 0, width)

    def steps(self, numbers: Tensor) -> Sequence[Tensor]:
        """Padded numbers of tokens, or packed ones, as a row of those of each step."""
        layout = self.world.layout
        packed = numbers[self.mask().bool()] if numbers.ndim > 1 else numbers
        return packed.split(np.diff(layout.bounds("y.token", "y.step")).tolist())

    def by_answers(self, of_steps: Tensor) -> Sequence[Tensor]:
        """A number of each step, as a row of those of each answer."""
        layout = self.world.layout
        return of_steps.split(np.diff(layout.bounds("y.step", "y.sample")).tolist())

    @property
    def groups(self) -> np.ndarray:
        """The prompt of each answer."""
        return self.world.layout.owners("y.sample", "problems")

    def by_answer(self, per_prompt: Tensor) -> Tensor:
        """A number of each prompt, for each of its answers."""
        return per_prompt[torch.from_numpy(self.groups)]
