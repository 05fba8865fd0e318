"""`similarity(enc, a, b)` and the library over it: types, levels, and the words of what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import CheckResult, check_source
from rldsl.loading import project_loader
from rldsl.source import Source

HEAD = """
import std.contrast (agrees_across, contrast, contrast_share, novelty)
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
embedder enc from hf("encoder") { pooling: last, cut: true, system: "query: " }
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
rollout z ~ actor(problems.question) { samples: 2, max_tokens: 8 }
"""


def checked(text: str) -> CheckResult:
    """What is found of a spec."""
    return check_source(Source("test.rl", HEAD + text), project_loader(Path(__file__).parent))


@pytest.mark.parametrize(("expression", "wanted"), [
    ("similarity(enc, y.text, problems.answer)", "Real in [-1, 1] @ y.sample"),
    ("similarity(enc, y, \"so\")", "Real in [-1, 1] @ y.sample"),
    ("similarity(enc, problems.question, problems.answer)", "Real in [-1, 1] @ problems"),
    ("similarity(enc, y.text, others(y.text, per: prompt))", "Real in [-1, 1] @ y.sample.pair(problems)"),
    ("contrast(enc, y.text, \"kind\", \"rude\")", "Real in [-2, 2] @ y.sample"),
    ("contrast_share(enc, y.text, \"kind\", \"rude\", 2)", "Real in [0.2689414213699951, 0.7310585786300049] @ y.sample"),
    ("novelty(similarity(enc, y.text, others(y.text, per: prompt)))", "Real in [0, 2] or absent @ y.sample"),
    ("agrees_across(answer(y), answer(z), per: prompt) else 0", "Int in {0, 1} @ y.sample"),
])
def test_a_similarity_stands_at_the_finer_text(expression: str, wanted: str) -> None:
    result = checked(f"let found = {expression}\n")
    assert result.spec is not None and not result.errors, [(entry.title, entry.why) for entry in result.errors]
    assert str(result.spec.graph[next(entry.key for entry in result.spec.lets if entry.name == "found")].type) == wanted


@pytest.mark.parametrize(("text", "code", "title", "label"), [
    ("let a = similarity(actor, y.text, y.text)", "RL020", "`similarity` is by an embedder", "this is a policy"),
    ("let a = similarity(5, y.text, y.text)", "RL020", "`similarity` is by an embedder", "this is a value"),
    ("let a = similarity(enc, y.text, 5)", "RL020", "a text is needed here", "this is Int in {5}"),
    ("let a = similarity(enc, embed(enc, y), y.text)", "RL020", "a text is needed here", "this is Vector or absent @ y.sample"),
    ("let a = similarity(enc, y.text, z.text)", "RL103", "these values have different origins", None),
    ('test "a" { expect similarity(enc, "a", "b") == 1 }', "RL027", "a test reads no models", "`similarity` asks an embedder"),
    ("embedder e from hf(\"x\") { pooling: middle }", "RL018", "this setting does not fit `pooling`", None),
    ("policy p from hf(\"x\") { pooling: mean }", "RL017", "a policy has no setting `pooling`", "nothing reads this setting"),
])
def test_what_cannot_be_compared_is_refused_in_words(text: str, code: str, title: str, label: str | None) -> None:
    errors = checked(text + "\n").errors
    assert [entry.code for entry in errors] == [code], [(entry.title, entry.primary.text) for entry in errors]
    assert label is None or (errors[0].title, errors[0].primary.text) == (title, label)


def test_embed_pools_as_the_embedder_says() -> None:
    result = checked("embedder own from hf(\"encoder\")\nembedder again = frozen(enc)\n"
                     "let last = dot(embed(enc, y), embed(enc, y))\nlet mean_of = dot(embed(own, y), embed(own, y))\n"
                     "let follows = dot(embed(again, y), embed(again, y))\n")
    assert result.spec is not None and not result.errors
    graph = result.spec.graph
    found = {}
    for entry in result.spec.lets:
        product = graph[entry.key]
        found[entry.name] = graph[product.inputs[0]].operation.reduction  # type: ignore[union-attr]
    assert found == {"last": "last", "mean_of": "mean", "follows": "last"}
