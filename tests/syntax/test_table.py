"""The kept tables belong to the grammar, are the same wherever they are made, and are quick to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rldsl.assets import asset_text
from rldsl.syntax import table
from rldsl.syntax.mistakes import FORMS
from rldsl.syntax.recover import DECLARATIONS

BUILD = "import json; from rldsl.assets import asset_text; from rldsl.syntax.table import *; " \
        "print(json.dumps(build_table(asset_text(*GRAMMAR)), separators=(',', ':')))"


@pytest.mark.wide(1)
@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_kept_tables_are_what_lark_computes_under_any_hash_seed(seed: str) -> None:
    made = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=True, timeout=60,
                          env={**os.environ, "PYTHONHASHSEED": seed})
    assert json.loads(made.stdout) == json.loads(asset_text(*table.KEPT)), "run python -m rldsl.syntax.table"


@pytest.mark.wide(1)
@pytest.mark.parametrize("kept", ["", "{", "[]", '{"grammar": "of another grammar"}'])
def test_without_fresh_tables_they_are_computed(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = table.load_table()
    monkeypatch.setattr(table, "asset_text", lambda *parts: kept if parts == table.KEPT else asset_text(*parts))
    again = table.load_table()
    assert (again.actions, again.gotos, again.rules) == (fresh.actions, fresh.gotos, fresh.rules)


def test_parsing_imports_nothing_heavy() -> None:
    code = "import sys; from rldsl.syntax.parse import parse; from rldsl.source import Source; " \
           "parse(Source('a', 'let a = 1')); " \
           "print(sorted({'lark', 'torch', 'networkx', 'rich', 'numpy', 'jinja2', 'difflib'} & set(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert made.stdout.strip() == "[]"


def test_every_declaration_has_a_form_to_show() -> None:
    assert set(FORMS) == set(DECLARATIONS)


def test_the_words_of_declarations_are_keywords_of_the_grammar() -> None:
    assert set(DECLARATIONS) <= table.load_table().keywords
