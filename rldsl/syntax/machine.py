"""Runs the LALR(1) tables over tokens: shifts, reduces, calls one action a rule. Knows no rule by name and no message.

It never recurses, so the depth of a text costs memory alone; `Limits` says where it gives up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rldsl.syntax.table import Rule, Table
from rldsl.syntax.tokens import END, Token

# An action gets the start and the end of its rule's text, then the rule's parts: tokens, values, None where absent.
Action = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How deep a text may nest: `height` as the sum of `weights` of nested rules, `stack` in open rules of any kind."""

    height: int
    stack: int
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stuck:
    """What stopped the machine: `token`, in `states`, after the tokens `seen` since the last whole item."""

    token: Token
    states: tuple[int, ...]
    seen: tuple[Token, ...]
    too_deep: bool = False


class _Step(NamedTuple):
    left: str
    size: int
    passes: bool
    grows: bool
    ends_item: bool
    weight: int
    picks: tuple[int, ...]
    splices: frozenset[int]
    action: Action | None


class Machine:
    """The tables with an action for each rule. Keeps nothing of a text, so that one may read many."""

    def __init__(self, table: Table, actions: Mapping[str, Action], limits: Limits, *, keep_all: bool = False) -> None:
        self.table = table
        self._limits = limits
        self._steps = [_step(rule, actions, limits.weights, keep_all) for rule in table.rules]
        self._climbs: dict[tuple[int, int, str], int] = {}

    def run(self, tokens: Iterable[Token]) -> tuple[list[Any], Stuck | None]:
        """The values of the items that were read whole, and what stopped the machine before the end, if anything did."""
        actions, steps = self.table.actions, self._steps
        stack = _Stack(self.table, self._limits.height)
        states = stack.states
        seen: list[Token] = []
        for token in tokens:
            kind = token.kind if not token.others else kind_of(self.table, states, token)
            while (action := actions[states[-1]].get(kind)) is not None and action < 0:
                step = steps[~action]
                if step.left == "start":
                    return stack.items(), None
                if step.passes and step.size == 1:
                    climb = (states[-2], states[-1], kind)
                    states[-1] = self._climbs.get(climb) or self._climb(climb)
                elif not stack.reduce(step):
                    return stack.items(), Stuck(token, tuple(states), tuple(seen), too_deep=True)
                elif step.ends_item:
                    seen.clear()
            if action is None:
                stuck = self._stuck(stack, seen, token)
                self._finish(stack)
                return stack.items(), stuck
            if len(states) > self._limits.stack:
                return stack.items(), Stuck(token, tuple(states), tuple(seen), too_deep=True)
            stack.shift(action, token)
            seen.append(token)
        raise AssertionError("the tokens end without END")

    def _climb(self, climb: tuple[int, int, str]) -> int:
        """Where all the rules lead that only pass a value on, as from a name to a sum; kept, since most of the work is this."""
        below, top, kind = climb
        while (action := self.table.actions[top].get(kind, 0)) < 0:
            step = self._steps[~action]
            if step.size != 1 or not step.passes:
                break
            top = self.table.gotos[below][step.left]
        self._climbs[climb] = top
        return top

    def _finish(self, stack: _Stack) -> None:
        """Take the item before the fault as whole if it could end there."""
        if not accepts(self.table, stack.states, END):
            return
        while (step := self._steps[~self.table.actions[stack.states[-1]][END]]).left != "start":
            if not stack.reduce(step):
                return

    def _stuck(self, stack: _Stack, seen: list[Token], token: Token) -> Stuck:
        """The states before the token made the machine reduce, found by reading the item's tokens once more."""
        states = [self.table.start]
        if stack.has_items():
            states.append(self.table.gotos[self.table.start][stack.list_name])
        for earlier in seen:
            follow(self.table, states, kind_of(self.table, states, earlier))
        return Stuck(token, tuple(states), tuple(seen))


class _Stack:
    """The parallel stacks of states, values, extents and heights."""

    def __init__(self, table: Table, height: int) -> None:
        self.states = [table.start]
        self.list_name = next(rule.left for rule in table.rules if rule.left.startswith("__start"))
        self._gotos = table.gotos
        self._limit = height
        self._values: list[Any] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._heights: list[int] = []

    def items(self) -> list[Any]:
        """The values of the items read whole so far."""
        return list(self._values[0]) if self.has_items() else []

    def has_items(self) -> bool:
        """Whether an item was read whole."""
        return len(self.states) > 1 and self.states[1] == self._gotos[self.states[0]][self.list_name]

    def shift(self, state: int, token: Token) -> None:
        """Put a token on."""
        self.states.append(state)
        self._values.append(token)
        self._starts.append(token.start)
        self._ends.append(token.end)
        self._heights.append(0)

    def reduce(self, step: _Step) -> bool:
        """Replace the parts of a rule by its value; False if that nests too deep."""
        first = len(self._values) - step.size
        height = max(self._heights[first:]) + step.weight
        if height > self._limit:
            return False
        start, end = self._starts[first], self._ends[-1]
        value = _value(step, start, end, self._values[first:])
        del self.states[first + 1 :], self._values[first:], self._starts[first:], self._ends[first:], self._heights[first:]
        self.states.append(self._gotos[self.states[-1]][step.left])
        self._values.append(value)
        self._starts.append(start)
        self._ends.append(end)
        self._heights.append(height)
        return True


def _value(step: _Step, start: int, end: int, parts: list[Any]) -> Any:
    if step.passes:
        return parts[step.picks[0]]
    if step.splices:
        arguments = _gathered(step, parts)
    else:
        arguments = [parts[place] if place >= 0 else None for place in step.picks]
    return arguments if step.action is None else step.action(start, end, *arguments)


def _gathered(step: _Step, parts: list[Any]) -> list[Any]:
    """The parts with lists spliced in; a list that grows is extended in place, so that long lists stay linear."""
    found: list[Any] = parts[0] if step.grows else []
    for place in step.picks[1:] if step.grows else step.picks:
        if place in step.splices:
            found.extend(parts[place])
        else:
            found.append(parts[place] if place >= 0 else None)
    return found


def _step(rule: Rule, actions: Mapping[str, Action], weights: Mapping[str, int], keep_all: bool) -> _Step:
    is_list = rule.left.startswith("_")
    picks = tuple(range(rule.size)) if keep_all else rule.picks
    passes = rule.passes and (not keep_all or rule.size == 1)
    action = None if is_list or rule.left == "start" or passes else actions[rule.name]
    return _Step(rule.left, rule.size, passes, rule.grows, rule.left.startswith("__start"), weights.get(rule.name, 0),
                 picks, frozenset(rule.splices), action)


# ------------------------------------------------------------------ states alone
def kind_of(table: Table, states: list[int], token: Token) -> str:
    """What a token is where it stands: the first of its kinds that fits; its own if none does."""
    row = table.actions[states[-1]]
    fitting = [kind for kind in (token.kind, *token.others) if kind in row]
    for kind in fitting[:-1]:
        if row[kind] >= 0 or accepts(table, states, kind):
            return kind
    return fitting[-1] if fitting else token.kind


def accepts(table: Table, states: list[int] | tuple[int, ...], kind: str) -> bool:
    """Whether a token of this kind can come next. LALR rows alone say yes too often; this follows the reductions."""
    below, above = len(states), list[int]()
    while True:
        top = above[-1] if above else states[below - 1]
        action = table.actions[top].get(kind)
        if action is None or action >= 0:
            return action is not None
        rule = table.rules[~action]
        if rule.left == "start":
            return True
        below -= max(0, rule.size - len(above))
        del above[max(0, len(above) - rule.size) :]
        above.append(table.gotos[above[-1] if above else states[below - 1]][rule.left])


def follow(table: Table, states: list[int], kind: str) -> None:
    """Move the states over a token that fits."""
    while (action := table.actions[states[-1]][kind]) < 0:
        rule = table.rules[~action]
        del states[len(states) - rule.size :]
        states.append(table.gotos[states[-1]][rule.left])
    states.append(action)
