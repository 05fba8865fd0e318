"""The LALR(1) tables of `grammar/rl.lark`: computed by lark, kept in `grammar/rl.table.json`, read in a few milliseconds.

lark itself is imported only to compute them: by `python -m rldsl.syntax.table`, and as a fallback where the kept tables do
not belong to the grammar beside them. Drives nothing and builds no tree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rldsl.assets import asset_path, asset_text

GRAMMAR = ("grammar", "rl.lark")
KEPT = ("grammar", "rl.table.json")
FORMAT = 1
ABSENT = -1


@dataclass(frozen=True, slots=True)
class Rule:
    """A production `left -> size symbols` of the grammar rule `name`.

    `picks` are the places of the parts that matter, `ABSENT` for an option left out; `splices` are those among them whose
    parts are taken one by one. `passes` says that the one part stands for the whole; `grows` that the first is a list
    which the others join.
    """

    left: str
    size: int
    name: str
    picks: tuple[int, ...]
    splices: tuple[int, ...]
    passes: bool
    grows: bool


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`actions[state][kind]`: a state to shift to, or `~rule` to reduce by; `gotos[state][left]`: where a reduction leads."""

    rules: tuple[Rule, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]
    start: int
    keywords: frozenset[str]


def load_table() -> Table:
    """The tables of the grammar as it is, from the kept file where that is fresh."""
    grammar = asset_text(*GRAMMAR)
    try:
        data = json.loads(asset_text(*KEPT))
    except (OSError, ValueError):
        data = {}
    if not isinstance(data, dict) or data.get("grammar") != _digest(grammar):
        data = build_table(grammar)
    return _table_from(data)


def _digest(grammar: str) -> str:
    return sha256(f"{FORMAT}\n{grammar}".encode()).hexdigest()


def _table_from(data: dict[str, Any]) -> Table:
    rules = tuple(Rule(left, size, name, tuple(picks), tuple(splices), passes, grows)
                  for left, size, name, picks, splices, passes, grows in data["rules"])
    kinds = data["kinds"]
    sets = [[kinds[index] for index in members] for members in data["sets"]]
    rows: list[dict[str, int]] = []
    for row in data["actions"]:
        actions: dict[str, int] = {}
        for rule, members in row[1]:
            actions.update(dict.fromkeys(sets[members], ~rule))
        actions.update((kinds[kind], state) for kind, state in row[0])
        rows.append(actions)
    keywords = frozenset(kind for kind in kinds if kind.isidentifier() and kind.islower())
    return Table(rules, tuple(rows), tuple(data["gotos"]), data["start"], keywords)


# ------------------------------------------------------------------ from lark
def build_table(grammar: str) -> dict[str, Any]:
    """What `rl.table.json` holds for a grammar text. Imports lark and takes about half a second."""
    from lark import Lark

    engine: Any = Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True)
    kind_of = {terminal.name: _kind(terminal) for terminal in engine.terminals}
    parse_table = engine.parser.parser._parse_table
    productions = sorted({arg for row in parse_table.states.values() for action, arg in row.values()
                          if action.name == "Reduce"}, key=_production_key)
    numbers = {production: number for number, production in enumerate(productions)}
    spliced = _spliced(productions)
    rows = _numbered_states(parse_table, kind_of)
    return {"grammar": _digest(grammar), "start": 0,
            "rules": [_rule_record(production, spliced) for production in productions], **_packed_rows(rows, numbers)}


def _kind(terminal: Any) -> str:
    """Tokens written literally in the grammar are called by their text, the others by their name."""
    return str(terminal.pattern.value if terminal.pattern.type == "str" else terminal.name)


def _production_key(rule: Any) -> tuple[str, tuple[str, ...]]:
    return rule.origin.name, tuple(symbol.name for symbol in rule.expansion)


def _kept(rule: Any) -> list[int]:
    keep_all = rule.options.keep_all_tokens
    return [place for place, symbol in enumerate(rule.expansion)
            if keep_all or not (symbol.is_term and symbol.filter_out)]


def _spliced(productions: list[Any]) -> frozenset[str]:
    """Rules whose value is a list that joins the parts of the rule around them: `(…)*`, `(…)+` and `_name`."""
    return frozenset(rule.origin.name for rule in productions if rule.origin.name.startswith("_"))


def _rule_record(rule: Any, spliced: frozenset[str]) -> list[Any]:
    kept, left = _kept(rule), rule.origin.name
    absent = list(rule.options.empty_indices) or [False] * len(rule.expansion)
    picks: list[int] = []
    place = 0
    for is_absent in absent:
        if is_absent:
            picks.append(ABSENT)
        else:
            picks += [place] if place in kept else []
            place += 1
    names = [symbol.name for symbol in rule.expansion]
    splices = [place for place in kept if names[place] in spliced]
    grows = left in spliced and names[:1] == [left]
    passes = bool(rule.options.expand1) and len(picks) == 1 and not splices and rule.alias is None
    return [left, len(names), rule.alias or left, picks, splices, passes, grows]


def _numbered_states(parse_table: Any, kind_of: dict[str, str]) -> list[dict[str, Any]]:
    """States in order of discovery from the start, so that the numbers do not depend on hash order."""
    start = parse_table.start_states["start"]
    order, queue = {start: 0}, [start]
    for state in queue:
        for symbol in sorted(parse_table.states[state]):
            action, arg = parse_table.states[state][symbol]
            if action.name == "Shift" and arg not in order:
                order[arg] = len(order)
                queue.append(arg)
    rows: list[dict[str, Any]] = []
    for state in queue:
        row: dict[str, Any] = {"shift": {}, "reduce": {}, "goto": {}}
        for symbol, (action, arg) in sorted(parse_table.states[state].items()):
            if action.name == "Reduce":
                row["reduce"][kind_of.get(symbol, symbol)] = arg
            elif symbol in kind_of or symbol == "$END":
                row["shift"][kind_of.get(symbol, symbol)] = order[arg]
            else:
                row["goto"][symbol] = order[arg]
        rows.append(row)
    return rows


def _packed_rows(rows: list[dict[str, Any]], numbers: dict[Any, int]) -> dict[str, Any]:
    """Rows with reductions grouped by rule, and equal sets of look-ahead kinds written once."""
    kinds = sorted({kind for row in rows for part in ("shift", "reduce") for kind in row[part]})
    index = {kind: place for place, kind in enumerate(kinds)}
    sets: dict[tuple[int, ...], int] = {}
    actions = []
    for row in rows:
        by_rule: dict[int, list[int]] = {}
        for kind, production in row["reduce"].items():
            by_rule.setdefault(numbers[production], []).append(index[kind])
        reductions = [[rule, sets.setdefault(tuple(sorted(members)), len(sets))]
                      for rule, members in sorted(by_rule.items())]
        actions.append([[[index[kind], state] for kind, state in row["shift"].items()], reductions])
    return {"kinds": kinds, "sets": list(sets), "actions": actions, "gotos": [row["goto"] for row in rows]}


def main() -> None:
    """Compute the tables of the grammar and keep them beside it."""
    data = build_table(asset_text(*GRAMMAR))
    asset_path(*KEPT).write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
