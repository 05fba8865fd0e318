"""Arguments that stand for any argument: leaves, models and responses that are called by their place alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.parameters import ROLES
from rldsl.elaborate.typing import interval_of
from rldsl.elaborate.values import BoundsValue, BuiltinValue, GraphValue, LevelValue, ModelValue, ResponseValue, Value
from rldsl.graph.model import SourceKind
from rldsl.graph.spec import ModelSpec, ResponseSpec, Role
from rldsl.syntax import tree
from rldsl.types import BATCH, BINARY, EVERYTHING, Axis, Element, Level, Stage, Type, parts_axis

ROWS = Axis("#", Level.PROMPT, "#", BATCH)
ELEMENTS = {"Real": Element.REAL, "Int": Element.INT, "Bool": Element.BOOL, "Text": Element.TEXT, "Json": Element.JSON}


class Fixed(Enum):
    """A constant in place of a symbol: for what a function needs to know when it is compiled."""

    WHOLE = "whole"
    SHARE = "share"


Place: TypeAlias = Level | Fixed
"""The level at which a number without one stands, or which constant it is."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where numbers without a level stand, which levels `Level` parameters are, whether responses are sampled or given, which
    functions of the language `Function` parameters are."""

    places: tuple[Place, ...]
    levels: tuple[Level, ...]
    is_sampled: bool
    callees: tuple[str, ...]

    def __str__(self) -> str:
        words = [place.word if isinstance(place, Level) else place.value for place in self.places]
        words += [f"per {level.word}" for level in self.levels]
        return " ".join([*words, "sampled" if self.is_sampled else "given", *self.callees])


class Symbols:
    """The arguments of one call, in the tables of one elaboration."""

    def __init__(self, ctx: Context, arrangement: Arrangement) -> None:
        self.ctx = ctx
        self.arrangement = arrangement
        self.places = list(arrangement.places)
        self.levels = list(arrangement.levels)
        self.callees = list(arrangement.callees)
        self.sample = Axis("#.sample", Level.SAMPLE, "#", ROWS) if arrangement.is_sampled else ROWS
        self.token = Axis("#.token", Level.TOKEN, "#", self.sample)
        self.step = Axis("#.step", Level.STEP, "#", self.sample, over=self.token)
        ctx.written_steps[:] = [self.step]
        self.trained: str | None = None
        self._responses = 0

    def value(self, index: int, parameter: tree.Parameter) -> Value:
        """The symbol of a parameter."""
        name = f"#{index}"
        element = parameter.type.element if parameter.type is not None else "Real"
        match element:
            case "Model":
                return self._model(name, Role.POLICY)
            case _ if element in ROLES:
                return self._model(name, ROLES[element][0])
            case "Response":
                return self._response(name)
            case "Level":
                return LevelValue(self.levels.pop(0))
            case "Bounds":
                return self._bounds(name)
            case "Function":
                return BuiltinValue(self.callees.pop(0))
            case _:
                return GraphValue(self._number(index, name, ELEMENTS.get(element, Element.REAL), parameter.type))

    def _model(self, name: str, role: Role) -> Value:
        self.ctx.tables.models[name] = ModelSpec(name, role, None, None, self.trained is not None, False, (), tree.NOWHERE)
        self.trained = self.trained or name
        return ModelValue(name)

    def _response(self, name: str) -> Value:
        """The first one stands where the numbers per sample and token do; others have tokens of their own."""
        token = self.token if self._responses == 0 else Axis(f"{name}.token", Level.TOKEN, name, self.sample)
        self._responses += 1
        prompt = self.ctx.builder.leaf(SourceKind.DATA, "#", "prompt", Type(Element.TEXT, axis=ROWS, stage=Stage.DATA))
        text = None if self.arrangement.is_sampled else \
            self.ctx.builder.leaf(SourceKind.DATA, "#", name, Type(Element.TEXT, axis=ROWS, stage=Stage.DATA))
        self.ctx.tables.responses[name] = ResponseSpec(name, self.trained or "#", prompt, text, ROWS, self.sample, token, (), (),
                                                       tree.NOWHERE)
        return ResponseValue(name)

    def _bounds(self, name: str) -> Value:
        low, high = (self._leaf(f"{name}.{end}", Type(Element.REAL)) for end in ("low", "high"))
        return BoundsValue(low, high)

    def _number(self, index: int, name: str, element: Element, written: tree.TypeExpr | None) -> int:
        interval = EVERYTHING
        if written is not None and written.interval is not None:
            interval = interval_of(self.ctx, Environment(self.ctx.root), written.interval) or EVERYTHING
        if element is Element.BOOL:
            interval = BINARY
        if element in (Element.TEXT, Element.JSON):
            axis = self.sample
        elif written is not None and written.level is not None:
            axis = self._axis({level.word: level for level in Level}.get(written.level.rsplit(".", 1)[-1], Level.TOKEN))
        else:
            place = self.places.pop(0)
            if isinstance(place, Fixed):
                return self._constant(index, element, place)
            axis = self._axis(place)
        return self._leaf(name, Type(element, interval, axis, stage=Stage.CONSTANT if axis == BATCH else Stage.DATA))

    def _constant(self, index: int, element: Element, place: Fixed) -> int:
        number = 2 + index if place is Fixed.WHOLE else (1 + index) / 64
        return self.ctx.builder.constant(True if element is Element.BOOL else number)

    def _axis(self, level: Level) -> Axis:
        match level:
            case Level.BATCH:
                return BATCH
            case Level.PROMPT:
                return ROWS
            case Level.SAMPLE | Level.TURN:
                return self.sample
            case Level.STEP:
                return self.step
            case Level.CRITERION | Level.MEMBER:
                return parts_axis(self.sample, level, 3)
            case _:
                return self.token

    def _leaf(self, name: str, kind: Type) -> int:
        return self.ctx.builder.leaf(SourceKind.GIVEN, name, "", kind)
