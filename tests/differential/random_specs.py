"""Random well-typed specs, as text: an objective over one rollout, built from every numeric form of the language.

An expression is a tree whose nodes know their level, so that a failing one can be shrunk to a smaller one of the same level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

HEAD = """data d from jsonl("d.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(d.question) { samples: 4, max_tokens: 8 }
reward right = verify.equal(y.text, d.answer)
reward places = text.matching_places(y.text, d.answer)
let before = logp(actor, y)
let held = places - 0.1 * mean(before - logp(ref, y), per: sample)
let steps = split(y.text, at: "b")
"""
LEVELS = ("token", "step", "sample", "prompt", "batch")
FINER = {"step": "token", "sample": "token", "prompt": "sample", "batch": "prompt"}
LEAVES = {
    "token": ("logp(actor, y)", "entropy(actor, y)", "y.logp", "before", "at_last(right, y)", "kl(actor, ref, y)"),
    "step": ("text.length(steps) / 4", "mean(logp(actor, y), per: step)", "count(y.logp, per: step) / 4",
             "(min(before, per: step) else 0)"),
    "sample": ("right", "places", "held", "y.length / 8", "mean(logp(actor, y), per: sample)",
               "sum(logp(actor, y) - y.logp, per: sample)"),
    "prompt": ("mean(right, per: prompt)", "mean(sum(entropy(actor, y), per: sample), per: prompt)", "max(held, per: prompt)"),
    "batch": ("0.5", "1.25", "-0.75", "2", "mean(logp(actor, y))", "mean(places)"),
}
UNARY = ("exp(clip({0}, -3 .. 3))", "tanh({0})", "sigmoid({0})", "log_sigmoid({0})", "softplus({0})", "abs({0})", "relu({0})",
         "-({0})", "({0}) ^ 2", "frozen({0})", "clip({0}, -0.7 .. 0.9)", "log(1 + abs({0}))", "sqrt(0.1 + abs({0}))",
         "expm1(tanh({0}))", "log1p(abs({0}))", "floor({0})", "sign({0})", "({0} else 0.25)")
BINARY = ("({0} + {1})", "({0} - {1})", "({0}) * ({1})", "({0}) / (1.5 + abs({1}))", "min({0}, {1})", "max({0}, {1})",
          "sum(each({0}, {1}) * each(1.5, -0.5), per: {l})", "max(each({0}, 0.1, {1}), per: {l})",
          "std(each({0}, {1}, mean({0})), per: {l})", "min(mean(others(each({0}, {1}, 0.4), per: {l}), per: member), per: {l})",
          "where(({0}) > ({1}), {0}, {1})", "where(({0}) <= 0.1 or not (({1}) > -0.2), 0.5 * ({0}), {1})")
REDUCE = ("mean({0}, per: {l})", "sum({0}, per: {l})", "max({0}, per: {l})", "min({0}, per: {l})", "std({0}, per: {l})",
          "var_population({0}, per: {l})", "quantile({0}, 0.6, per: {l})", "mean({0}, per: {l}, where: ({0}) > -0.5)",
          "first({0}, per: {l})", "last({0}, per: {l})", "count(({0}) > 0, per: {l}) / 4", "(std({0}, per: {l}) else 0)")
ALONG = {"token": ("scan({0}, decay: 0.9, from: end)", "cumsum({0})", "next({0}, fill: 0.3)", "prev({0})",
                   "rank({0}, per: sample) / 4", "where(top({0}, 2, per: sample), {0}, 0)",
                   "(mean(others({0}, per: sample), per: token) else 0.1)"),
         "step": ("scan({0}, decay: 0.8, from: end)", "next({0}, fill: 0.3)", "rank({0}, per: sample) / 4",
                  "mean({0} - spread(mean(logp(actor, y), per: step), to: step), per: step)",
                  "(max(others({0}, per: sample), per: step) else 0.2)"),
         "sample": ("(others_mean({0}, per: prompt) else 0)", "rank({0}, per: prompt) / 4",
                    "normalize({0}, per: prompt, guard: 0.2)",
                    "(mean(tanh(spread({0}, to: others({0}, per: prompt)) - others({0}, per: prompt)), per: sample) else 0)",
                    "(max(others({0}, per: batch), per: sample) else 0.5)"),
         "prompt": ("sum(others({0}, per: batch) ^ 2, per: prompt)",
                    "(min(where(others({0}, per: batch) > 0, others({0}, per: batch), 1), per: prompt) else 0)")}


@dataclass(frozen=True)
class Tree:
    """A form with its parts. `level` is the level of the value."""

    form: str
    level: str
    parts: tuple[Tree, ...] = ()

    def __str__(self) -> str:
        return self.form.replace("{l}", self.level).format(*self.parts) if self.parts else self.form

    @property
    def size(self) -> int:
        """Number of nodes."""
        return 1 + sum(part.size for part in self.parts)


def random_tree(random: Random, level: str, depth: int) -> Tree:
    """A value of that level."""
    if depth <= 0 or random.random() < 0.12:
        return Tree(random.choice(LEAVES[level]), level)
    choice = random.random()
    if choice < 0.3:
        return Tree(random.choice(UNARY), level, (random_tree(random, level, depth - 1),))
    if choice < 0.6:
        parts = (random_tree(random, level, depth - 1), _operand(random, level, depth - 1))
        return Tree(random.choice(BINARY), level, parts)
    if choice < 0.75 and level in ALONG:
        return Tree(random.choice(ALONG[level]), level, (random_tree(random, level, depth - 1),))
    if level in FINER:
        finer = random.choice(LEVELS[:LEVELS.index(level)])
        return Tree(random.choice(REDUCE), level, (random_tree(random, finer, depth - 1),))
    return Tree(random.choice(UNARY), level, (random_tree(random, level, depth - 1),))


def _operand(random: Random, level: str, depth: int) -> Tree:
    """The other side of an operator: of the same level, or a coarser one that is spread."""
    if random.random() < 0.6:
        return random_tree(random, level, depth)
    coarser = random.choice([*LEVELS[LEVELS.index(level):]])
    if coarser == level:
        return random_tree(random, level, depth)
    word = {"token": "y"}.get(level)
    if word is None:
        return random_tree(random, "batch", depth) if coarser == "batch" and level != "batch" else random_tree(random, level, depth)
    return Tree("spread({0}, to: token)", level, (random_tree(random, coarser, depth),))


def random_objective(seed: int) -> tuple[Tree, ...]:
    """One to three terms; the first always reaches the policy."""
    random = Random(seed)
    terms = [Tree("mean(({0}) * logp(actor, y))", "batch", (random_tree(random, "token", 3),))]
    for _ in range(random.randint(0, 2)):
        finer = random.choice(LEVELS[:3])
        terms.append(Tree("mean({0})", "batch", (random_tree(random, finer, random.randint(2, 5)),)))
    return tuple(terms)


def spec_text(terms: tuple[Tree, ...]) -> str:
    """The spec of an objective."""
    lines = [f"  {'maximize' if index % 2 == 0 else 'minimize'} t{index}: {term}" for index, term in enumerate(terms)]
    return HEAD + "objective o for actor {\n" + "\n".join(lines).replace("per: batch", "per: batch") + "\n}\n"


def smaller(terms: tuple[Tree, ...]) -> Iterator[tuple[Tree, ...]]:
    """Objectives a step simpler: a term less, a part in place of a whole of its level, a leaf in place of a part."""
    for index in range(len(terms)):
        if len(terms) > 1:
            yield terms[:index] + terms[index + 1:]
        for tree in _smaller(terms[index]):
            yield (*terms[:index], tree, *terms[index + 1:])


def _smaller(tree: Tree) -> Iterator[Tree]:
    if tree.level != "batch":
        yield from (part for part in tree.parts if part.level == tree.level)
        if tree.parts:
            yield Tree(LEAVES[tree.level][0], tree.level)
    for index, part in enumerate(tree.parts):
        for replacement in _smaller(part):
            yield Tree(tree.form, tree.level, (*tree.parts[:index], replacement, *tree.parts[index + 1:]))
