"""The page of the library says of each function what it gives, its hash, and values that its tests hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rldsl.assets import asset_names, asset_text
from rldsl.stdlib_page import stdlib_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    """The page as the code makes it now."""
    return stdlib_page("")


def section(page: str, module: str, function: str) -> str:
    """What the page says of a function."""
    of_module = page.partition(f"\n## {module}\n")[2].partition("\n## ")[0]
    return of_module.partition(f"\n### {function}\n")[2].partition("\n### ")[0]


@pytest.mark.slow
def test_a_function_is_shown_with_its_definition_meaning_hash_and_worked_values(page: str) -> None:
    text = section(page, "std.surrogate", "clipped")
    assert "```rl\nfn clipped(ratio: Real, advantage: Real, bounds: Bounds) -> Real =\n  min(ratio * advantage" in text
    assert "Schulman et al. 2017" in text
    assert re.search(r"\nGives `Real`, at the level of its arguments\. Hash `[0-9a-f]{8}`\.\n", text)
    assert "# a good answer gains no more beyond the upper bound\nclipped(1.5, 1, 0.8 .. 1.28) == 1.28\n" in text


@pytest.mark.slow
def test_values_that_a_test_names_are_shown_with_it(page: str) -> None:
    text = section(page, "std.prelude", "cumsum")
    assert "# cumsum starts anew in each sample\nlet x = [[1, 2, 3], [4]] @ token\ncumsum(x) == [[1, 3, 6], [4]]\n" in text


@pytest.mark.slow
@pytest.mark.parametrize(("module", "function", "said"), [
    ("std.returns", "gae", "one for each token"), ("std.aggregate", "token_mean", "one number for the batch"),
    ("std.surrogate", "sequence_ratio", "one for each sample"), ("std.prelude", "others_mean", "at the level of its arguments")])
def test_where_a_result_stands_is_said(page: str, module: str, function: str, said: str) -> None:
    assert f", {said}. Hash `" in section(page, module, function)


def test_every_function_of_every_module_is_there_once_with_a_hash(page: str) -> None:
    for name in asset_names("stdlib", ".rl"):
        module = f"std.{name.removesuffix('.rl')}"
        functions = re.findall(r"^fn (\w+)", asset_text("stdlib", name), re.MULTILINE)
        of_module = page.partition(f"\n## {module}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^### (\w+)$", of_module, re.MULTILINE) == functions
        assert len(re.findall(r"Hash `[0-9a-f]{8}`", of_module)) == len(functions), module
        assert f"| [{module}](#{module.replace('.', '')}) | " in page


def test_functions_of_one_mathematics_name_each_other(page: str) -> None:
    hashes: dict[str, list[str]] = {}
    for module, text in re.findall(r"^## (std\.\w+)\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL):
        for function, short in re.findall(r"^### (\w+)$.*?Hash `(\w{8})`", text, re.MULTILINE | re.DOTALL):
            hashes.setdefault(short, []).append(f"{module}.{function}")
    for names in hashes.values():
        for name in names:
            text = section(page, name.rpartition(".")[0], name.rpartition(".")[2])
            assert ("As a function of its arguments it is" in text) is (len(names) > 1)


def test_verifiers_and_text_functions_close_the_page(page: str) -> None:
    assert "| `verify.equal(" in page.partition("\n## On the host\n")[2]
