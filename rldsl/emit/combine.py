"""Runs the combine functions of a staged objective on a layout: by emitted numba code, or by the emitted torch module.

Checks what it is given. Threads are the caller's: the numba functions hold no lock of the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.emit.load import load_module
from rldsl.emit.parameters import FunctionName, Parameter
from rldsl.emit.to_numba import emit_numba
from rldsl.emit.to_torch import torch_source
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.interpreter import is_interpreted, mend_interpreter
from rldsl.graph.staged import Input, StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.source import Source

Numbers: TypeAlias = npt.NDArray[np.float64]
Backend: TypeAlias = Literal["numba", "torch", "triton"]


EMITTERS: Mapping[Backend, Callable[..., Any]] = {"numba": emit_numba, "torch": torch_source, "triton": emit_triton}


class CombineError(ValueError):
    """What was handed over is not what the objective needs."""


class Combine:
    """The three functions of one objective over packed float64 arrays.

    Inputs go by their names, prepared values and reads by their keys, coefficients by the key of their read.
    """

    def __init__(self, staged: StagedObjective, backend: Backend = "numba",
                 sources: Mapping[str, Source] | None = None, *, fast: bool = False) -> None:
        """`fast` (triton): sums to the batch in one launch, in no certain order."""
        self.staged, self.backend = staged, backend
        emitted = EMITTERS[backend](staged, sources, **({"fast": True} if fast else {}))
        self.text = emitted.text
        self.parameters: dict[FunctionName, tuple[Parameter, ...]] = {
            "prepare": emitted.prepare, "coefficients": emitted.coefficients, "values": emitted.values}
        if backend == "triton":
            self.parameters["combined"] = emitted.combined
        if backend == "triton" and is_interpreted():
            mend_interpreter()
        self._module = load_module(self.text, f"{backend}_{staged.name}")

    def prepare(self, layout: Layout, inputs: Mapping[str, Any]) -> dict[int, Numbers]:
        """What is known of the update batch before its reads, once. Checks all inputs."""
        check_inputs(self.staged, layout, inputs)
        outputs = self._new_outputs("prepare", layout)
        self._run("prepare", layout, (0, 1), inputs, keyed={}, outputs=outputs)
        return outputs

    def coefficients(self, layout: Layout, start: int, stop: int, inputs: Mapping[str, Any], *,
                     prepared: Mapping[int, Numbers], reads: Mapping[int, Numbers],
                     out: dict[int, Numbers] | None = None) -> dict[int, Numbers]:
        """Derivatives of the loss by the reads, for the places `start .. stop` of the axis of a piece. Arrays are of
        the whole update batch; what lies outside the piece is not written."""
        outputs = self._new_outputs("coefficients", layout) if out is None else out
        self._run("coefficients", layout, (start, stop), inputs, keyed={**prepared, **reads}, outputs=outputs)
        return outputs

    def values(self, layout: Layout, inputs: Mapping[str, Any], prepared: Mapping[int, Numbers],
               reads: Mapping[int, Numbers]) -> dict[str, float]:
        """The loss, its terms and the metrics of the whole update batch, by label."""
        outputs = {parameter.label or "": np.zeros(1) for parameter in self._outputs("values")}
        self._run("values", layout, (0, 1), inputs, keyed={**prepared, **reads}, outputs=outputs)
        return {label: float(value[0]) for label, value in outputs.items()}

    def combined(self, layout: Layout, inputs: Mapping[str, Any], prepared: Mapping[int, Numbers],
                 reads: Mapping[int, Numbers]) -> tuple[dict[int, Numbers], dict[str, float]]:
        """Coefficients and values of the whole update batch: at once where the back end can (Triton)."""
        if "combined" not in self.parameters:
            pieces = layout.size(self.staged.piece_axis.name)
            return (self.coefficients(layout, 0, pieces, inputs, prepared=prepared, reads=reads),
                    self.values(layout, inputs, prepared, reads))
        found = [(parameter, np.zeros(layout.size(parameter.axis))) for parameter in self._outputs("combined")]
        slopes = {parameter.key: array for parameter, array in found if parameter.label is None and parameter.key is not None}
        values = {parameter.label: array for parameter, array in found if parameter.label is not None}
        self._run("combined", layout, (0, 1), inputs, keyed={**prepared, **reads}, outputs={**slopes, **values})
        return slopes, {label: float(array[0]) for label, array in values.items()}

    # ------------------------------------------------------------ inside
    def _outputs(self, name: FunctionName) -> list[Parameter]:
        return [parameter for parameter in self.parameters[name] if parameter.kind == "output"]

    def _new_outputs(self, name: FunctionName, layout: Layout) -> dict[int, Numbers]:
        return {parameter.key or 0: np.zeros(layout.size(parameter.axis)) for parameter in self._outputs(name)}

    def _run(self, name: FunctionName, layout: Layout, piece: tuple[int, int], inputs: Mapping[str, Any], *,
             keyed: Mapping[int, Numbers], outputs: Mapping[Any, Numbers]) -> None:
        given = [self._argument(name, parameter, layout, piece, inputs, keyed)
                 for parameter in self.parameters[name] if parameter.kind != "output"]
        written = [_output(parameter, layout, outputs) for parameter in self._outputs(name)]
        if not written:
            return
        function = getattr(self._module, name)
        if self.backend == "numba":
            function(*piece, *given, *written)
        elif self.backend == "triton":
            _run_triton(function, given, written)
        else:
            _run_torch(function, self._slices(name, layout, piece), given, written)

    def _argument(self, name: FunctionName, parameter: Parameter, layout: Layout, piece: tuple[int, int],
                  inputs: Mapping[str, Any], keyed: Mapping[int, Numbers]) -> Any:
        if parameter.kind != "span":
            found = _argument(parameter, layout, inputs, keyed)
            return found.astype(np.int32) if self.backend == "triton" and parameter.kind == "owners" else found
        if name != "coefficients":
            return 0, layout.size(parameter.axis)
        bounds = layout.bounds(parameter.axis, self.staged.piece_axis.name)
        return int(bounds[piece[0]]), int(bounds[piece[1]])

    def _slices(self, name: FunctionName, layout: Layout, piece: tuple[int, int]) -> list[slice]:
        """The part of each output that a piece has."""
        if name != "coefficients":
            return [slice(None) for _ in self._outputs(name)]
        bounds = [layout.bounds(parameter.axis, self.staged.piece_axis.name) for parameter in self._outputs(name)]
        return [slice(int(bound[piece[0]]), int(bound[piece[1]])) for bound in bounds]


def _run_torch(function: Any, slices: Sequence[slice], given: Sequence[npt.NDArray[Any]],
               written: Sequence[Numbers]) -> None:
    """The torch module computes the whole update batch; only the piece is taken."""
    import torch

    with torch.no_grad():
        results = function(*(torch.from_numpy(array) for array in given))
    for output, result, part in zip(written, results, slices, strict=True):
        output[part] = result.numpy()[part]


def _run_triton(function: Any, given: Sequence[Any], written: Sequence[Numbers]) -> None:
    """On the GPU, or on the CPU under Triton's interpreter."""
    import torch
    device = "cpu" if is_interpreted() else "cuda"
    outputs = [torch.from_numpy(output).to(device, copy=True) for output in written]
    held = [entry if isinstance(entry, tuple) else torch.from_numpy(entry).to(device) for entry in given]
    with np.errstate(all="ignore"):  # of the interpreter, which computes in numpy: lanes that are masked may hold anything
        function(*held, *outputs)
    for output, result in zip(written, outputs, strict=True):
        output[:] = result.cpu().numpy()


def check_inputs(staged: StagedObjective, layout: Layout, inputs: Mapping[str, Any]) -> None:
    """Raise `CombineError` for an input that is missing, of another length than its axis, or absent where it may not be."""
    for given in staged.inputs:
        _check_input(staged, given, layout, inputs)


def _check_input(staged: StagedObjective, given: Input, layout: Layout, inputs: Mapping[str, Any]) -> None:
    """The input is there, as long as its axis, and finite unless it may be absent."""
    array = _input(given.name, given.axis.name, layout, inputs)
    if not staged.graph[given.key].type.optional and not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        raise CombineError(f"input `{given.name}` is {array[place]} at place {place} of {given.axis.name}, "
                           "and it may not be absent")


def _input(name: str, axis: str, layout: Layout, inputs: Mapping[str, Any]) -> Numbers:
    if name not in inputs:
        raise CombineError(f"input `{name}` is missing: one number for each place of {axis}")
    return _sized(f"input `{name}`", np.ascontiguousarray(inputs[name], dtype=np.float64).reshape(-1), axis, layout)


def _sized(what: str, array: Numbers, axis: str, layout: Layout) -> Numbers:
    if array.shape != (layout.size(axis),):
        raise CombineError(f"{what} has {array.size} numbers for {layout.size(axis)} places of {axis}")
    return array


def _argument(parameter: Parameter, layout: Layout, inputs: Mapping[str, Any],
              keyed: Mapping[int, Numbers]) -> npt.NDArray[Any]:
    match parameter.kind:
        case "bounds":
            return layout.bounds(parameter.axis, parameter.ancestor or parameter.axis)
        case "owners":
            return layout.owners(parameter.axis, parameter.ancestor or parameter.axis)
        case "input":
            return _input(parameter.label or "", parameter.axis, layout, inputs)
        case _:
            what = f"{parameter.kind} {parameter.key}"
            if parameter.key is None or parameter.key not in keyed:
                raise CombineError(f"{what} is missing: one number for each place of {parameter.axis}")
            return _sized(what, np.ascontiguousarray(keyed[parameter.key], np.float64), parameter.axis, layout)


def _output(parameter: Parameter, layout: Layout, outputs: Mapping[Any, Numbers]) -> Numbers:
    key = parameter.label if parameter.label is not None else parameter.key
    if key not in outputs:
        raise CombineError(f"no array for the output of {key}")
    array = outputs[key]
    if array.dtype != np.float64 or not array.flags.c_contiguous or not array.flags.writeable:
        raise CombineError(f"the output of {key} must be a contiguous, writable float64 array")
    return _sized(f"output {key}", array, parameter.axis, layout)
