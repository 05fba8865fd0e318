"""A function's hash is that of what it means: neither its layout nor its names, but everything that it computes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rldsl.assets import asset_names
from rldsl.canonical.definitions import Definition, definition_of
from rldsl.canonical.uses import LibraryUses
from rldsl.compiler import check_source
from rldsl.loading import library_only, library_source
from rldsl.resolve.modules import Loader, LoadFailure, ModuleTable
from rldsl.source import Source
from rldsl.syntax import tree

ROOT = Path(__file__).parents[2]
MODULES = [f"std.{name.removesuffix('.rl')}" for name in asset_names("stdlib", ".rl")]
CLIPPED = "fn clipped(r: Real, a: Real, bounds: Bounds) -> Real = min(r * a, clip(r, bounds) * a)\n"


def definitions(source: Source, load: Loader = library_only) -> dict[str, Definition]:
    """The definitions of the functions of a module."""
    modules = ModuleTable(load)
    scope = modules.scopes.get(source.name) or modules.open(source)
    assert scope is not None and not modules.found
    return {item.name: definition_of(modules, scope, item) for item in scope.tree.items if isinstance(item, tree.Function)}


def hash_of(text: str, name: str = "clipped") -> str | None:
    """The hash of a function of a text."""
    return definitions(Source("std.mine", text))[name].digest


# ------------------------------------------------------------------ what is no difference
@pytest.mark.parametrize("text", [
    "## Another comment.\nfn clipped(\n  r: Real,   a: Real, # here\n  bounds: Bounds) -> Real =\n  min(r*a, clip(r,bounds)*a)\n",
    CLIPPED.replace("r:", "ratio:").replace("r *", "ratio *").replace("clip(r", "clip(ratio"),
    "fn clipped(r: Real, a: Real, bounds: Bounds) -> Real = {\n  let kept = clip(r, bounds)\n  min(kept * a, a * r)\n}\n",
    "fn clipped(r: Real, a: Real, bounds: Bounds) = min(r * a, min(max(r, bounds.low), bounds.high) * a)\n",
    "fn within(x: Real, b: Bounds) = clip(x, b)\n" + CLIPPED.replace("clip(r, bounds)", "within(r, bounds)"),
    "fn other(x: Real) = 2 * x\n" + CLIPPED,
])
def test_layout_names_and_the_way_it_is_written_do_not_change_a_hash(text: str) -> None:
    assert hash_of(text) == hash_of(CLIPPED)


# ------------------------------------------------------------------ what is one
@pytest.mark.parametrize("text", [
    CLIPPED.replace("min(", "max("), CLIPPED.replace("clip(r, bounds) * a", "clip(r, bounds)"),
    CLIPPED.replace("min(r * a,", "min(frozen(r) * a,"), CLIPPED.replace("bounds) * a)", "bounds) * a) + 1e-9"),
    CLIPPED.replace("bounds)", "0.8 .. 1.2)", 1).replace("0.8 .. 1.2) * a", "0.8 .. 1.2) * a"),
    CLIPPED.replace("r: Real, a: Real", "a: Real, r: Real"), CLIPPED.replace("bounds: Bounds)", "bounds: Bounds = 0.8 .. 1.2)"),
    CLIPPED.replace("r: Real", "r: Real @ token"),
])
def test_other_mathematics_other_parameters_and_other_levels_change_a_hash(text: str) -> None:
    assert hash_of(text) != hash_of(CLIPPED)


def test_a_function_changes_with_what_it_calls() -> None:
    text = "fn outer(x: Real) = 3 * inner(x)\nfn inner(x: Real) = exp(x)\n"
    assert hash_of(text, "outer") == hash_of("fn outer(y: Real) = exp(y) * 3\n", "outer")
    assert hash_of(text.replace("exp(x)", "expm1(x)"), "outer") != hash_of(text, "outer")


def test_a_function_changes_with_a_parameter_of_its_module() -> None:
    text = "param guard: Real = 1e-4\nfn f(x: Real @ sample) = x / (std(x, per: prompt) + guard)\n"
    assert hash_of(text, "f") != hash_of(text.replace("1e-4", "1e-8"), "f")


@pytest.mark.parametrize(("first", "second"), [
    ("logp(p, y)", "logp(q, y)"), ("logp(p, y)", "logp(p, y, temperature: 0.5)"), ("logp(p, y)", "frozen(logp(p, y))"),
    ("logp(p, y)", "y.logp"), ("kl(p, q, y)", "kl(q, p, y)"),
])
def test_reads_differ_by_model_temperature_and_gradient(first: str, second: str) -> None:
    form = "fn f(p: Policy, q: Policy, y: Response) = mean({}, per: sample)\n"
    assert hash_of(form.format(first), "f") != hash_of(form.format(second), "f")


def test_a_function_that_nothing_fits_says_so() -> None:
    [found] = definitions(Source("std.mine", 'fn f(x: Real @ token) = verify.equal("a", "b") + spread(x, to: prompt)\n')).values()
    assert found.digest is None
    assert found.short == "no hash: no arguments fit it"


# ------------------------------------------------------------------ the library
@pytest.mark.slow
def test_every_function_of_the_library_has_a_hash() -> None:
    found = {}
    for name in MODULES:
        source = library_source(name)
        assert isinstance(source, Source)
        found |= {entry.name: entry.digest for entry in definitions(source).values()}
    assert len(found) > 50
    assert [name for name, digest in found.items() if digest is None] == []


@pytest.mark.slow
def test_a_hash_does_not_depend_on_the_seed_of_the_interpreter() -> None:
    code = ("from tests.canonical.test_definitions import *\n"
            "for name in ('std.surrogate', 'std.prelude', 'std.divergence'):\n"
            "    print({key: entry.digest for key, entry in definitions(library_source(name)).items()})\n")
    printed = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT,
                              env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")]
    assert printed[0] == printed[1] != ""


def test_a_hash_stays_what_it_was() -> None:
    """Over versions of the compiler: a change of the normal form that changes it is worth a line in the changelog."""
    assert str(hash_of(CLIPPED))[:8] == "c77ef4b2"


# ------------------------------------------------------------------ what an objective uses
HEAD = """
import std.surrogate (clipped)
import std.advantage as adv

data problems from jsonl("train.jsonl") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("ab>"))
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 4 }
reward correct = verify.equal(y.text, problems.answer)
"""


def uses(text: str, load: Loader = library_only) -> dict[str, list[str]]:
    """The functions that each objective of a spec uses."""
    result = check_source(Source("mine.rl", text), load)
    assert result.spec is not None and not result.errors, [entry.title for entry in result.errors]
    library = LibraryUses(result.spec)
    return {objective.name: [entry.name for entry in library.of(objective)] for objective in result.spec.objectives}


def test_an_objective_uses_what_it_calls_and_what_its_advantages_call() -> None:
    text = HEAD + """
let group = adv.centre(correct, per: prompt)
let advantage = normalize(group, per: batch, guard: 1e-8)
let unused = cumsum(y.logp)
fn mine(r: Real, a: Real) = clipped(r, a, 0.8 .. 1.2)
objective pg for actor { maximize s: mean(mine(exp(logp(actor, y) - y.logp), advantage)) }
objective nll for actor { maximize l: mean(logp(actor, y) * correct) }
"""
    assert uses(text) == {"pg": ["std.advantage.centre", "std.prelude.normalize", "std.surrogate.clipped"], "nll": []}


def test_a_local_name_hides_one_of_the_prelude() -> None:
    text = HEAD + """
objective pg for actor {
  let cumsum = logp(actor, y)
  maximize s: mean(cumsum * correct)
}
"""
    assert uses(text) == {"pg": []}


def test_what_a_state_is_made_of_is_used() -> None:
    text = HEAD + """
state level: Real = 0
level <- mean(others_mean(correct, per: prompt) else 0)
objective pg for actor { maximize s: mean(logp(actor, y) * (correct - level)) }
"""
    assert uses(text) == {"pg": ["std.prelude.others_mean"]}


def test_functions_of_imported_files_are_named_after_them() -> None:
    files = {"lib/mine.rl": Source("lib/mine.rl", "fn twice(x: Real) = 2 * x\n")}

    def load(module: str, is_path: bool, importer: str) -> Source | LoadFailure:
        return files[module] if is_path else library_only(module, is_path, importer)

    objective = "objective pg for actor { maximize s: mean(logp(actor, y) * twice(correct)) }\n"
    text = f'import "lib/mine.rl" (twice)\n{HEAD}{objective}'
    assert uses(text, load) == {"pg": ["lib/mine.rl:twice"]}
