"""What answers the calls `rubric:…`, `prefer:…` and `prm:…` of a graph: groups items into questions, asks a judge once for a batch,
reads the replies and counts the votes. Keeps nothing and retries nothing: that is the judge's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rldsl.graph.model import Foreign
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.rubrics import form
from rldsl.rewards.rubrics.asked import Asked, preferred_interval
from rldsl.rewards.rubrics.asking import Asking, Questions, cost_of
from rldsl.rewards.rubrics.criteria import criterion_text
from rldsl.rewards.rubrics.reading import Verdict, read_choice, read_verdicts
from rldsl.rewards.rubrics.scale import PREFERRED, Scale
from rldsl.rewards.rubrics.votes import VOTES_BY
from rldsl.rewards.run import Answers
from rldsl.rewards.signatures import Result
from rldsl.types import Element

LONGEST_REPLY = 2000  # characters of a reply in the evidence of a verdict that failed
MOST_STEPS = 200      # of one answer in one question

Vote = Verdict | Failure


@dataclass(frozen=True, slots=True)
class RubricService(Asking):
    """Verdicts on criteria: one value for each text and criterion. Items with equal texts are asked about in one question, unless
    the rubric says `ask: each`."""

    def together(self, operation: Foreign) -> bool:
        """The criteria that a row brings: what is asked does not depend on which of them are needed."""
        return "place" in operation.names

    def result(self, operation: Foreign) -> Result:
        """A number in [0, 1]."""
        return Result(Element.REAL, Asked.of(operation).interval)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """`criterion` is the place of a written criterion, or a criterion of the data, and then `place` is its place in
        its row; the other columns are texts."""
        asked = Asked.of(operation)
        named = dict(zip(operation.names, columns, strict=True))
        criteria = [_criterion(asked, entry) for entry in named.pop("criterion")]
        sheets = _sheets(asked, _owners(named.pop("place", None), len(criteria)), named, criteria)
        questions = Questions()
        drawn = [sheet.ask(asked, questions) for sheet in sheets]
        replies = self.replies(operation, questions.asked)
        votes: list[list[Vote]] = [[] for _ in criteria]
        for sheet, places in zip(sheets, drawn, strict=True):
            for draw, place in enumerate(places):
                sheet.hand_out(asked, draw, replies[place], votes)
        evidence = {item: {"criterion": criteria[item][0], **_evidence(votes[item])} for item in range(len(criteria))}
        return _answers(asked, votes, evidence, replies)


@dataclass(slots=True)
class _Sheet:
    """Some criteria of one set of texts: what one question asks. `items` are those that want the verdict on each criterion."""

    texts: Mapping[str, Any]
    criteria: dict[tuple[str, Scale], list[int]] = field(default_factory=dict)

    def ask(self, asked: Asked, questions: Questions) -> list[int]:
        """The places of its questions, one for each vote."""
        key = form.quoted(list(self.texts.values())), tuple(self.criteria)
        return questions.add(key, asked.votes, lambda draw: self._question(asked, draw))

    def hand_out(self, asked: Asked, draw: int, reply: Answered | Failure, votes: list[list[Vote]]) -> None:
        """Give each item its vote."""
        order = self._order(asked, draw)
        shown = list(self.criteria)
        read = reply if isinstance(reply, Failure) else \
            read_verdicts(reply, [shown[place][1] for place in order], _beside(asked))
        for number, place in enumerate(order):
            vote = read if isinstance(read, Failure) else read[number]
            for item in self.criteria[shown[place]]:
                votes[item].append(_with_quote(vote, self.texts) if asked.quote else vote)

    def _question(self, asked: Asked, draw: int) -> Question:
        shown = list(self.criteria)
        return form.about_criteria(asked, self.texts, [shown[place] for place in self._order(asked, draw)], draw)

    def _order(self, asked: Asked, draw: int) -> list[int]:
        return form.order_of(asked, self.texts, len(self.criteria), draw)


def _sheets(asked: Asked, owners: Sequence[Any], named: Mapping[str, list[Any]],
            criteria: Sequence[tuple[str, Scale]]) -> list[_Sheet]:
    """The items by their texts; each criterion by itself where the rubric asks for that."""
    found: dict[Hashable, _Sheet] = {}
    for item, criterion in enumerate(criteria):
        texts = {name: column[item] for name, column in named.items()}
        key = (form.quoted(list(texts.values())), owners[item], None if asked.together else criterion)
        sheet = found.setdefault(key, _Sheet(texts))
        sheet.criteria.setdefault(criterion, []).append(item)
    return list(found.values())


def _criterion(asked: Asked, entry: Any) -> tuple[str, Scale]:
    if asked.criteria:
        return asked.criteria[int(entry)], asked.scale_of(int(entry))
    return criterion_text(entry), asked.scales[0]


def _beside(asked: Asked) -> list[str]:
    return [name for name, is_asked in (("reason", asked.reason), ("quote", asked.quote)) if is_asked]


def _with_quote(vote: Vote, texts: Mapping[str, Any]) -> Vote:
    """The vote, with whether its quote stands in the text."""
    if isinstance(vote, Failure):
        return vote
    quote, text = vote.beside["quote"], next(iter(texts.values()))
    is_there = bool(quote) and quote in (text if isinstance(text, str) else form.quoted(text))
    return Verdict(vote.value, vote.said, {**vote.beside, "quoted": "yes" if is_there else "no"})


# ------------------------------------------------------------------ which of two texts
@dataclass(frozen=True, slots=True)
class PreferService(Asking):
    """How much the first of two texts is preferred: 1, 0, or 1/2 for a tie, in each order in which they are shown, averaged. Two
    equal texts are a tie that nobody is asked about."""

    def result(self, operation: Foreign) -> Result:
        """A number in [0, 1]."""
        return Result(Element.REAL, preferred_interval(Asked.of(operation)))

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """`first` and `second` are compared; `match` says that a pair is asked about; the other columns are texts for both."""
        asked = Asked.of(operation)
        named = dict(zip(operation.names, columns, strict=True))
        first, second = named.pop("first"), named.pop("second")
        named.pop("match", None)
        texts = [{name: column[item] for name, column in named.items()} for item in range(len(first))]
        questions = Questions()
        places = [[_ordered(asked, questions, *pair, texts[item]) for pair in _orders(asked, first[item], second[item])]
                  for item in range(len(first))]
        replies = self.replies(operation, questions.asked)
        votes = [[[_preferred(asked, replies[place]) for place in draws] for draws in orders] for orders in places]
        values = [_of_orders(asked, orders) for orders in votes]
        evidence = {item: _both_orders(orders) if orders else {"equal": True} for item, orders in enumerate(votes)}
        return Answers(values, evidence, cost_of(replies), len(questions.asked))


def _orders(asked: Asked, first: Any, second: Any) -> list[tuple[Any, Any]]:
    if first == second:
        return []
    return [(first, second), (second, first)] if asked.both_orders else [(first, second)]


def _ordered(asked: Asked, questions: Questions, first: Any, second: Any, texts: Mapping[str, Any]) -> list[int]:
    """The places of the questions in one order. The other member of a pair asks the same ones the other way about."""
    key = form.quoted([first, second, list(texts.values())])
    return questions.add(key, asked.votes, lambda draw: form.about_preference(asked, first, second, texts, draw))


def _preferred(asked: Asked, reply: Answered | Failure) -> Vote:
    return reply if isinstance(reply, Failure) else read_choice(reply, PREFERRED, ["reason"] if asked.reason else [])


def _of_orders(asked: Asked, orders: Sequence[Sequence[Vote]]) -> float | Failure:
    """The mean over the orders of how much the first text is preferred; in the second order it stands as "B"."""
    values: list[float] = []
    for number, votes in enumerate(orders):
        value = counted([vote if isinstance(vote, Failure) else vote.value for vote in votes], asked.votes_by)
        if isinstance(value, Failure):
            return value
        values.append(value if number == 0 else 1.0 - value)
    return sum(values) / len(values) if values else 0.5


def _both_orders(orders: Sequence[Sequence[Vote]]) -> dict[str, Any]:
    words = ("first as A", "first as B")
    return {word: _evidence(votes) for word, votes in zip(words, orders, strict=False)}


# ------------------------------------------------------------------ steps of an answer
@dataclass(frozen=True, slots=True)
class StepService(Asking):
    """Verdicts on the steps of an answer, with a critique of each: all steps of an answer in one question."""

    def together(self, operation: Foreign) -> bool:
        """The steps of an answer."""
        return True

    def result(self, operation: Foreign) -> Result:
        """A number in [0, 1]."""
        return Result(Element.REAL, Asked.of(operation).interval)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """`step` are the texts of steps, `place` their places in their answers; the other columns are texts."""
        asked = Asked.of(operation)
        named = dict(zip(operation.names, columns, strict=True))
        steps = named.pop("step")
        answers: dict[int, list[int]] = {}
        for item, owner in enumerate(_owners(named.pop("place"), len(steps))):
            answers.setdefault(owner, []).append(item)
        questions = Questions()
        votes: list[list[Vote]] = [[] for _ in steps]
        places = {owner: _of_answer(asked, questions, named, [steps[item] for item in items], items[0])
                  for owner, items in answers.items() if len(items) <= MOST_STEPS}
        replies = self.replies(operation, questions.asked)
        for owner, items in answers.items():
            for place in places.get(owner, [None]):
                _hand_out_steps(asked, None if place is None else replies[place], items, votes)
        return _answers(asked, votes, {item: _evidence(votes[item]) for item in range(len(steps))}, replies)


def _of_answer(asked: Asked, questions: Questions, named: Mapping[str, list[Any]], steps: list[Any], item: int) -> list[int]:
    texts = {name: column[item] for name, column in named.items()}
    key = form.quoted([steps, list(texts.values())])
    return questions.add(key, asked.votes, lambda draw: form.about_steps(asked, steps, texts, draw))


def _hand_out_steps(asked: Asked, reply: Answered | Failure | None, items: Sequence[int], votes: list[list[Vote]]) -> None:
    read: list[Vote] | Failure
    if reply is None:
        read = Failure(FailureKind.LIMIT, f"an answer of {len(items)} steps; a judge reads at most {MOST_STEPS} at once")
    else:
        read = reply if isinstance(reply, Failure) else read_verdicts(reply, [asked.scales[0]] * len(items), ["critique"])
    for place, item in enumerate(items):
        votes[item].append(read if isinstance(read, Failure) else read[place])


# ------------------------------------------------------------------ what comes of it
def _owners(places: Sequence[Any] | None, count: int) -> list[int]:
    """To which run each item belongs: one begins at each place 0; without places all belong together."""
    found, owner = [0] * count, 0
    for item, place in enumerate(places or ()):
        owner += place == 0
        found[item] = owner
    return found


def counted(votes: Sequence[float | Failure], votes_by: str) -> float | Failure:
    """One number for the votes. A vote that failed is the failure of all: fewer votes are another question than was asked."""
    values: list[float] = []
    for vote in votes:
        if isinstance(vote, Failure):
            return vote
        values.append(vote)
    return values[0] if len(values) == 1 else float(VOTES_BY[votes_by](values))


def _answers(asked: Asked, votes: Sequence[Sequence[Vote]], evidence: Mapping[int, Any],
             replies: Sequence[Answered | Failure]) -> Answers:
    values = [counted([vote if isinstance(vote, Failure) else vote.value for vote in found], asked.votes_by) for found in votes]
    return Answers(list(values), evidence, cost_of(replies), len(replies))


def _evidence(votes: Sequence[Vote]) -> dict[str, Any]:
    """What was said: of one vote as it is, of several as a list."""
    said = [{"failed": str(vote)} if isinstance(vote, Failure) else {"verdict": vote.said, **vote.beside} for vote in votes]
    return said[0] if len(said) == 1 else {"votes": said}
