"""Writes the pages of docs/ that come from the code: checks, library, methods. `python -m rldsl.docs`; a test compares
them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rldsl.assets import asset_path
from rldsl.checks import modules
from rldsl.checks.structure import FINDINGS
from rldsl.methods_page import methods_page
from rldsl.stdlib_page import stdlib_page

MARK = "<!-- made by `make docs` from the code; do not edit -->\n\n"


def checks_page() -> str:
    """docs/checks.md."""
    lines = [MARK, "# Findings\n\n", "`rldsl check` reports them, `rldsl explain RL301` shows one of these pages.\n\n",
             "| code | kind | what |\n|---|---|---|\n"]
    lines += [f"| [{entry.CHECK.code}](#{entry.CHECK.code.lower()}) | {entry.CHECK.severity.value} | {entry.CHECK.summary} |\n"
              for entry in modules()]
    lines += [f"| {entry.code} | error | {entry.summary} |\n" for entry in FINDINGS]
    for module in modules():
        lines.append(f"\n## {module.CHECK.code}\n\n**{module.CHECK.name}** ({module.CHECK.severity.value})\n\n")
        lines.append(re.sub(r"(?m)^(What|Why|Example|Instead|When this is wrong):", r"**\1.**", (module.__doc__ or "").strip()))
        lines.append("\n")
    lines.append("\n## Structure\n\n| code | example | instead |\n|---|---|---|\n")
    lines += [f"| {entry.code} | {_cell(entry.example)} | {_cell(entry.instead)} |\n" for entry in FINDINGS]
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _stdlib_page() -> str:
    return stdlib_page(MARK)


def _methods_page() -> str:
    return methods_page(MARK)


PAGES = {"checks.md": checks_page, "methods.md": _methods_page, "stdlib.md": _stdlib_page}


def main() -> None:
    """Write all pages."""
    folder = asset_path("docs")
    for name, page in PAGES.items():
        Path(folder / name).write_text(page(), encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
