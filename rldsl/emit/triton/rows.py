"""Emits the Triton row kernels of a vocabulary head, group by group, and says how each is compiled ahead of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rldsl.diagnostics import InternalError
from rldsl.emit.templates import render
from rldsl.emit.to_head import RowRead, RowShape
from rldsl.emit.triton.fuse import Fused
from rldsl.emit.triton.signatures import KernelSignature

TWO_SUMS = ("js", "tv")  # of a divergence that is made of two sums over the row


def emit_row_parts(shapes: Sequence[RowShape]) -> str:
    """The functions that the row kernels of these groups are made of; once a module, after its imports."""
    return render("triton/row_parts.py.jinja", kinds={read.kind for shape in shapes for read in shape.reads})


def emit_row_kernels(group: int, shape: RowShape, fused: Fused | None = None) -> str:
    """The kernels and launch functions of one group; they stand after `emit_row_parts`."""
    alone: dict[str, RowRead | None] = {"logp": None, "entropy": None, "logz": None}
    alone.update({read.kind: read for read in shape.reads if read.other is None})
    gradients = [read for read in shape.reads if read.gradient]
    given = [parameter.name for parameter in fused.parameters] if fused is not None else []
    if clashes := sorted(set(taken_names(shape)) & set(given)):
        raise InternalError(f"parameters of a fused row kernel are called {clashes}")
    return render("triton/rows.py.jinja", g=group, reads=shape.reads, gradients=gradients, kept=kept_names(shape),
                  apart=[read for read in gradients if read.other is not None], sums=sum_names(shape),
                  beside=[[read for read in shape.reads if read.other == place] for place in range(shape.others)],
                  policies=["x", *(f"y{place}" for place in range(shape.others))], setting=settings_of(shape), given=given,
                  fused=fused, **alone)


def emit_rows_module(shapes: Sequence[RowShape], fused: Sequence[Fused | None] = ()) -> str:
    """A module of the row kernels of these groups alone."""
    given = fused or (None,) * len(shapes)
    groups = [emit_row_kernels(group, shape, combine) for group, (shape, combine) in enumerate(zip(shapes, given, strict=True))]
    return render("triton/module.py.jinja", parts=emit_row_parts(shapes), groups=groups)


def taken_names(shape: RowShape) -> tuple[str, ...]:
    """What the parameters and lines of a fused kernel may not be called."""
    beside = (f"{name}{place}{end}" for place in range(shape.others) for name, end in (("y", ""), ("y", "_stride"), ("places", "")))
    reads = (f"{read.name}{end}" for read in shape.reads for end in ("", "_at", "_by_at"))
    return ("x", "x_stride", "out", "out_stride", "targets", "places", "first", "vocabulary", "settings", "t", *beside, *reads)


def kept_names(shape: RowShape) -> tuple[str, ...]:
    """What is kept of a row between reading and writing it, in the order of `statistics`."""
    others = [f"y{place}_{name}" for place in range(shape.others) for name in ("top", "log_total")]
    return ("top", "log_total", *others, *(f"{name}_mean" for name in shape.means))


def sum_names(shape: RowShape) -> tuple[tuple[str, ...], ...]:
    """Of each other policy the sums over a row that are formed beside it."""
    return tuple(tuple(f"{read.name}_{part}" for read in shape.reads if read.other == place
                       for part in (("sum", "more") if read.kind in TWO_SUMS else ("sum",)))
                 for place in range(shape.others))


def settings_of(shape: RowShape) -> dict[str, int]:
    """Where the parameter of each read stands in `settings`, after 1 / temperature and the soft cap."""
    with_parameter = [read.name for read in shape.reads if read.parameter is not None]
    return {name: 2 + place for place, name in enumerate(with_parameter)}


# ------------------------------------------------------------------ ahead of time
def row_signatures(group: int, shape: RowShape, fused: Fused | None = None) -> tuple[KernelSignature, ...]:
    """Of the kernels of `emit_row_kernels`, in its order, for rows that are scored in place (`places` is None)."""
    beside = {f"{name}{place}{end}": kind for place in range(shape.others)
              for name, end, kind in (("y", "", f"*{{y{place}}}"), ("y", "_stride", "i32"))}
    rows = {"x": "*{x}", "x_stride": "i32", "targets": "*i64", **beside}
    out = {"out": "*{out}", "out_stride": "i32"}
    reads = {f"{read.name}_at": "*fp64" for read in shape.reads}
    slopes = {f"{read.name}_by_at": "*fp64" for read in shape.reads if read.gradient}
    kept, settings, vocabulary = {"statistics": "*fp64"}, {"settings": "*fp64"}, {"vocabulary": "i32"}
    first, start, parts, sums = {"first": "i64"}, {"start": "i32"}, {"parts": "*fp64"}, {"sums": "*fp64"}
    found = [_tiled("read_rows", shape, {**rows, **first, **vocabulary, **reads, **kept, **settings})]
    if shape.has_gradient:
        found.append(_tiled("write_rows", shape, {**rows, **out, **first, **start, **vocabulary, **reads, **slopes, **kept,
                                                  **settings}))
    if shape.has_gradient and fused is not None:
        found.append(_tiled("fuse_rows", shape, {**rows, **out, **first, **vocabulary, **reads, **slopes, **settings,
                                                 **{given.name: f"*{fused.types[given.name]}" for given in fused.parameters}}))
    found.append(_tiled("partition_rows", shape, {**rows, **start, **vocabulary, **parts, **settings}))
    if any(sum_names(shape)):
        found.append(_tiled("compare_parts", shape, {**rows, **vocabulary, **parts, **sums, **settings}))
    found.append(_signature("finish_rows", {**parts, **sums, **first, **reads, **kept, **settings}))
    return tuple(replace(signature, name=f"{signature.name}{group}") for signature in found)


def _tiled(name: str, shape: RowShape, arguments: dict[str, str]) -> KernelSignature:
    places = {"places": None, **{f"places{place}": None for place in range(shape.others)}}
    switches = {"IN_PLACE": True} if "out" in arguments else {}
    return replace(_signature(name, arguments), constexprs={**places, **switches, "CAPPED": False}, tiled=True)


def _signature(name: str, arguments: dict[str, str]) -> KernelSignature:
    aligned = tuple(key for key, kind in arguments.items()
                    if kind.startswith("*") or key.endswith("_stride") or key == "vocabulary")
    return KernelSignature(name, arguments, warps=1, stages=1, aligned=aligned)
