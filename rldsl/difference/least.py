"""From two values that differ to the least parts in which they do.

Parts are aligned by what they mean, whatever their order; what is left is paired by likeness and taken apart further. Where the
operations themselves differ, both are reported. Each pair of parts is reported once, however often it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from rldsl.canonical import polynomial as poly
from rldsl.difference import phrases
from rldsl.difference.aggregation import aggregation_changes
from rldsl.difference.model import Change
from rldsl.difference.recognise import recognised
from rldsl.difference.side import Part, Ref, Side, View, show_number
from rldsl.graph.model import Constant, Elementwise, Foreign, Freeze, Leaf, Read, Reduce, Spread

LIKE = 0.15  # the share of common parts from which two values are taken for versions of one
MOST_PAIRED = 24  # parts that are compared by likeness; of more the rest is said to be added or gone
WRAPPED = 3  # how far below an operation lies what it is applied to
ONE = Fraction(1)


class Comparison:
    """Compares values of two sides. `through` collects the named values in which they differ; `scales` are numbers by which
    the two are multiplied, to be said with how their values are put together."""

    def __init__(self, before: Side, after: Side) -> None:
        self.before = before
        self.after = after
        self.through: list[str] = []
        self.scales = ONE, ONE
        self._done: set[tuple[str, str]] = set()
        self._open: list[tuple[str, str]] = []  # what is being compared: a part may mean what the whole means

    def changes(self, first: Ref, second: Ref) -> list[Change]:
        """The least differences of two values."""
        pair = self.before.of(first).digest, self.after.of(second).digest
        if pair[0] == pair[1] or (pair in self._done and pair not in self._open) or self._is_through(first, second):
            return []
        self._done.add(pair)
        self._open.append(pair)
        found = (self._stopped(first, second) or aggregation_changes(self, first, second)
                 or recognised(self.before, self.after, first, second) or self._multiple(first, second)
                 or self._apart(first, second))
        self._open.pop()
        return found

    def _is_through(self, first: Ref, second: Ref) -> bool:
        names = [side.named.get(side.bare(ref).key) for side, ref in ((self.before, first), (self.after, second))]
        if names[0] is None or names[0] != names[1]:
            return False
        if names[0] not in self.through:
            self.through.append(names[0])
        return True

    def _stopped(self, first: Ref, second: Ref) -> list[Change]:
        """The same value, with its gradient on one side alone."""
        bare = self.before.bare(first), self.after.bare(second)
        if bare[0].frozen == bare[1].frozen or not self._is_same_value(*bare):
            return []
        meaning = "no gradient flows through it any more" if bare[1].frozen else "a gradient flows through it now"
        return [Change(meaning, self.before.equation(first), self.after.equation(second))]

    def _is_same_value(self, first: Ref, second: Ref) -> bool:
        return self.before.meaning.digest(first.key, True) == self.after.meaning.digest(second.key, True)

    def _multiple(self, first: Ref, second: Ref) -> list[Change]:
        """The same value but for a number that multiplies all of it."""
        values = self.before.of(first), self.after.of(second)
        if values[0].number is not None or poly.monic(values[0]) != poly.monic(values[1]):
            return []
        numbers = self.before.factors(first)[0], self.after.factors(second)[0]
        if numbers[0] * values[1].lead != numbers[1] * values[0].lead:
            return []  # the number comes from further below
        return [Change(_factors(*numbers), self.before.equation(first), self.after.equation(second))]

    # ------------------------------------------------------------ one step
    def _apart(self, first: Ref, second: Ref) -> list[Change]:
        views = self.before.view(first), self.after.view(second)
        if self._is_wrapped(first, second, views[1]) or self._is_wrapped(second, first, views[0], back=True):
            return [self.replaced(first, second)]
        match views[0].kind, views[1].kind:
            case "sum", "sum":
                found = self._sums(*views)
            case "product", "product":
                found = self._products(*views)
            case ("sum" | "product", _) | (_, "sum" | "product"):
                found = self._of_two_kinds(first, second, *views)
            case ("min", "min") | ("max", "max") | ("and", "and") | ("or", "or"):
                found = self._options(*views)
            case "operation", "operation":
                found = self._operations(first, second, *views)
            case _:
                found = None
        return found if found is not None else [self.replaced(first, second)]

    def _is_wrapped(self, inner: Ref, outer: Ref, view: View, *, back: bool = False) -> bool:
        """Whether one value is an operation on all of the other, such as its mean."""
        inside, outside = (self.after, self.before) if back else (self.before, self.after)
        return view.kind not in ("sum", "product") and bool(inside.node(inside.bare(inner)).inputs) \
            and outside.is_part(inside.of(inner).digest, outer, WRAPPED)

    def _of_two_kinds(self, first: Ref, second: Ref, *views: View) -> list[Change] | None:
        """A sum against a product, or either against something else: the other may be one of its parts, or a version of one."""
        sums, products = (tuple(view if view.kind == kind else View(kind, (Part(ref),), number)
                                for view, ref in zip(views, (first, second), strict=True))
                          for kind, number in (("sum", Fraction(0)), ("product", ONE)))
        if self._shares_addend(*sums):
            return self._sums(*sums)
        left, right = self._different(products[0].parts, products[1].parts)
        is_known = {view.kind for view in views} == {"sum", "product"} and self._are_like(left, right)
        return self._products(*products) if len(left) < len(products[0].parts) or is_known else None

    def _shares_addend(self, first: View, second: View) -> bool:
        words = [{poly.monic(side.of(part.ref)).digest for part in view.parts}
                 for side, view in ((self.before, first), (self.after, second))]
        return not words[0].isdisjoint(words[1])

    def replaced(self, first: Ref, second: Ref) -> Change:
        """One value in place of another."""
        meaning = phrases.of_replacement(self.before, self.after, first, second)
        if not meaning and self._is_same_value(first, second):
            meaning = "the same value, but its gradient flows elsewhere"
        return Change(meaning, self.before.equation(first), self.after.equation(second))

    # ------------------------------------------------------------ sums
    def _sums(self, first: View, second: View) -> list[Change] | None:
        left, right, found = self._aligned_addends(first.parts, second.parts)
        if len(left) == len(first.parts) and len(right) == len(second.parts) and len(left) + len(right) > 2 \
                and not self._are_like(left, right):
            return None
        pairs, left, right = self._paired(left, right)
        for part, other in pairs:
            found += self._pair_of_addends(part, other)
        found += [Change(f"no longer {_added(part)}", self.before.multiple(_positive(part)), None) for part in left]
        found += [Change(_added(part), None, self.after.multiple(_positive(part))) for part in right]
        if first.number != second.number:
            found.insert(0, self._numbers(first, second))
        return found

    def _aligned_addends(self, first: Sequence[Part], second: Sequence[Part]
                         ) -> tuple[list[Part], list[Part], list[Change]]:
        """What is left of two sums when equal addends are gone, and what changed in multiples of one value."""
        left, right, _ = self._matched(first, second, lambda side, part: poly.scale(side.of(part.ref), part.by).digest)
        left, right, multiples = self._matched(left, right, lambda side, part: poly.monic(side.of(part.ref)).digest)
        return left, right, [change for part, other in multiples for change in self._pair_of_addends(part, other)]

    def _pair_of_addends(self, part: Part, other: Part) -> list[Change]:
        found = self.changes(part.ref, other.ref)
        if part.by != other.by:
            found.insert(0, Change(_factors(part.by, other.by), self.before.multiple(part), self.after.multiple(other)))
        return found

    def _numbers(self, first: View, second: View) -> Change:
        what = phrases.of_added_number(self.before, first)
        texts = (f"{side.multiple(view.parts[0]) if view.parts else ''} + {show_number(view.number)}" if view.parts
                 else show_number(view.number) for side, view in ((self.before, first), (self.after, second)))
        return Change(f"{what} {show_number(first.number)} → {show_number(second.number)}", *texts)

    # ------------------------------------------------------------ products and choices
    def _products(self, first: View, second: View) -> list[Change] | None:
        left, right = self._different(first.parts, second.parts)
        if len(left) == len(first.parts) and len(right) == len(second.parts) and not self._are_like(left, right):
            return None
        pairs, left, right = self._paired(left, right)
        found = [change for part, other in pairs for change in self.changes(part.ref, other.ref)]
        found += [Change(f"no longer {_multiplied(part)}", self.before.equation(part.ref), None) for part in left]
        found += [Change(_multiplied(part), None, self.after.equation(part.ref)) for part in right]
        if first.number != second.number:
            found.insert(0, Change(_factors(first.number, second.number), show_number(first.number), show_number(second.number)))
        return found

    def _options(self, first: View, second: View) -> list[Change] | None:
        left, right = self._different(first.parts, second.parts)
        pairs, left, right = self._paired(left, right, always=True)
        if left or right:
            return None
        return [change for part, other in pairs for change in self.changes(part.ref, other.ref)]

    def _different(self, first: Sequence[Part], second: Sequence[Part]) -> tuple[list[Part], list[Part]]:
        """What is left when parts that are equal, with equal exponents, are gone."""
        left, right, _ = self._matched(first, second, lambda side, part: f"{part.by} {side.of(part.ref).digest}")
        return left, right

    def _matched(self, first: Sequence[Part], second: Sequence[Part], word: Callable[[Side, Part], str]
                 ) -> tuple[list[Part], list[Part], list[tuple[Part, Part]]]:
        """What is left of two lists without pairs of one word, and the pairs in their order."""
        waiting: dict[str, list[Part]] = {}
        for part in reversed(second):
            waiting.setdefault(word(self.after, part), []).append(part)
        left, pairs = list[Part](), list[tuple[Part, Part]]()
        for part in first:
            same = waiting.get(word(self.before, part))
            if same:
                pairs.append((part, same.pop()))
            else:
                left.append(part)
        alone = {id(part) for parts in waiting.values() for part in parts}
        return left, [part for part in second if id(part) in alone], pairs

    # ------------------------------------------------------------ likeness
    def _are_like(self, left: Sequence[Part], right: Sequence[Part]) -> bool:
        return any(self.likeness(part.ref, other.ref) >= LIKE for part in left[:MOST_PAIRED] for other in right[:MOST_PAIRED])

    def likeness(self, first: Ref, second: Ref) -> float:
        """The share of what two values are computed from that is common to both."""
        words = self.before.words(first), self.after.words(second)
        return len(words[0] & words[1]) / max(1, len(words[0] | words[1]))

    def _score(self, first: Ref, second: Ref) -> float:
        """Likeness, and 1 more for one operation."""
        return self.likeness(first, second) + (self._operation(self.before, first) == self._operation(self.after, second))

    def _operation(self, side: Side, ref: Ref) -> object:
        operation = side.node(side.bare(ref)).operation
        match operation:
            case Elementwise(function=function):
                return function
            case Reduce(reduction=reduction):
                return reduction
            case Read(kind=kind):
                return kind
            case Foreign(name=name):
                return name
            case _:
                return type(operation)

    def _paired(self, left: list[Part], right: list[Part], *, always: bool = False
                ) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
        """Parts that are versions of each other, the most like first; and what is alone on either side."""
        if len(left) == len(right) == 1 and (left[0].by > 0) == (right[0].by > 0):
            return [(left[0], right[0])], [], []
        scored = sorted((-self._score(part.ref, other.ref), index, place) for index, part in enumerate(left[:MOST_PAIRED])
                        for place, other in enumerate(right[:MOST_PAIRED]) if (part.by > 0) == (other.by > 0))
        pairs: list[tuple[int, int]] = []
        for score, index, place in scored:
            is_free = all(index != pair[0] and place != pair[1] for pair in pairs)
            if is_free and (always or -score >= LIKE):
                pairs.append((index, place))
        alone = [part for index, part in enumerate(left) if all(index != pair[0] for pair in pairs)]
        others = [part for place, part in enumerate(right) if all(place != pair[1] for pair in pairs)]
        return [(left[index], right[place]) for index, place in sorted(pairs)], alone, others

    # ------------------------------------------------------------ operations
    def _operations(self, first: Ref, second: Ref, *views: View) -> list[Change] | None:
        bare = self.before.bare(first), self.after.bare(second)
        operations = self.before.node(bare[0]).operation, self.after.node(bare[1]).operation
        if type(operations[0]) is not type(operations[1]) or self._operation(self.before, first) != \
                self._operation(self.after, second) or isinstance(operations[0], Leaf | Constant | Spread | Freeze):
            return None
        found = list(self._constants(first, second))
        parts = [view.parts for view in views]
        if len(parts[0]) != len(parts[1]):
            return None
        if not found and all(self.before.of(part.ref) == self.after.of(other.ref) for part, other in zip(*parts, strict=True)):
            return None
        for part, other in zip(*parts, strict=True):
            numbers = self.before.of(part.ref).number, self.after.of(other.ref).number
            if numbers[0] is None or numbers[1] is None:
                found += self.changes(part.ref, other.ref)
            elif numbers[0] != numbers[1] and not found:  # a number is shown with what it is for
                found.append(Change(phrases.arrow(show_number(numbers[0]), show_number(numbers[1])),
                                    self.before.equation(first), self.after.equation(second)))
        return found

    def _constants(self, first: Ref, second: Ref) -> Iterator[Change]:
        """What changed in the operations themselves: bounds, levels, temperatures, settings."""
        meaning = phrases.of_constants(self.before, self.after, first, second)
        if meaning:
            yield Change(meaning, self.before.equation(first), self.after.equation(second))


def differs_by_itself(before: Side, after: Side, first: Ref, second: Ref) -> bool:
    """Whether two values differ in more than values that are reported by themselves."""
    comparison = Comparison(before, after)
    is_same = before.of(first) == after.of(second)
    return not is_same and (bool(comparison.changes(first, second)) or not comparison.through)


def _added(part: Part) -> str:
    return "added" if part.by > 0 else "subtracted"


def _positive(part: Part) -> Part:
    return Part(part.ref, abs(part.by))


def _factors(first: Fraction, second: Fraction) -> str:
    """Of two factors with a minus the sign is not said."""
    numbers = (abs(first), abs(second)) if first < 0 and second < 0 else (first, second)
    return f"factor {show_number(numbers[0])} → {show_number(numbers[1])}"


def _multiplied(part: Part) -> str:
    return "multiplied by" if part.by > 0 else "divided by"
