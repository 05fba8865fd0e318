"""Where the asset folders are found: inside the package in a wheel, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl import assets


def test_the_grammar_is_found_and_named() -> None:
    assert assets.asset_text("grammar", "rl.lark").startswith("//")
    names = assets.asset_names("grammar", ".rl")
    assert "mistakes/semicolon.rl" in names and list(names) == sorted(names)


def test_the_folder_in_the_package_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, text in (("rldsl/grammar", "wheel"), ("grammar", "checkout"), ("stdlib", "checkout")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.rl").write_text(text)
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "rldsl")
    monkeypatch.setattr(assets, "CHECKOUT", tmp_path)
    assert assets.asset_text("grammar", "a.rl") == "wheel"
    assert assets.asset_text("stdlib", "a.rl") == "checkout"
    assert assets.asset_names("stdlib", ".rl") == ("a.rl",)
