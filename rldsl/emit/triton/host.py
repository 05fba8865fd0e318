"""The host function that launches kernels: its lines, its kernels, and the arrays that are kept between launches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rldsl.emit.names import Names
from rldsl.emit.parameters import Outline, Parameter
from rldsl.emit.triton.launches import INDENT, Arrays, Kernel, warps_of, wrapped
from rldsl.emit.triton.plan import home_of
from rldsl.graph.model import Graph, Pick, Reduction
from rldsl.types import BATCH, Axis


class Host:
    """Of one function. `library` are the functions of the reference that it calls."""

    def __init__(self, graph: Graph, given: Outline, names: Names) -> None:
        self.graph, self.given, self.names = graph, given, names
        handed = {parameter.key: parameter for parameter in given.given if parameter.key is not None}
        self.handed = frozenset(handed)
        self.arrays = Arrays(handed, names)
        self.kernels: list[Kernel] = []
        self.lines: list[str] = []
        self.library: set[str] = set()

    # ------------------------------------------------------------ arrays
    def keep(self, key: int) -> str:
        """The array of a settled value, made where there is none."""
        if key not in self.arrays.kept:
            node = self.graph[key]
            self.arrays.kept[key] = self.made(key, home_of(node) if self.is_place(key) else node.type.axis)
        return self.arrays.kept[key]

    def made(self, key: int, axis: Axis) -> str:
        """Another array for a value at the places of an axis."""
        name = self.names.fresh(self.graph[key].name or f"v{key}", suffix="_kept")
        size = "1" if axis == BATCH else f"{self.arrays.span(axis)}[1]"
        self.lines.append(f"{name} = torch.empty({size}, dtype=torch.float64, device=device)")
        return name

    def is_place(self, key: int) -> bool:
        """Whether what is kept of it is a place: the best one of each place of its home."""
        operation = self.graph[key].operation
        return isinstance(operation, Pick) and operation.reduction is not Reduction.QUANTILE and key not in self.handed

    def target(self, array: str, kind: str = "fp64") -> str:
        """An array that the kernel at hand writes or reads, of an element type."""
        self.arrays.asked[array] = kind
        return array

    def span(self, axis: Axis) -> tuple[str, str]:
        """The first place to compute and the one after the last."""
        if axis == BATCH:
            return "0", "1"
        span = self.arrays.span(axis)
        return f"{span}[0]", f"{span}[1]"

    def places(self, axis: Axis) -> str:
        """How many places are to be computed."""
        first, last = self.span(axis)
        return f"{last} - {first}"

    # ------------------------------------------------------------ launches
    def launch(self, lines: Sequence[str], integers: tuple[str, ...], block: int, grid: str, numbers: tuple[str, ...],
               says: str, condition: str = "") -> None:
        """A kernel of these lines, and the line that launches `grid` programs of it, where the condition holds."""
        name = self.names.fresh(f"{self.given.name}_{len(self.kernels) + 1}")
        kernel = Kernel(name, integers, tuple(self.arrays.asked.items()), tuple(lines), block, says)
        self.kernels.append(kernel)
        self.arrays.begin()
        tail = [*([f"BLOCK={block}"] if block else []), f"num_warps={warps_of(block)}", "enable_fp_fusion=False"]
        given = [*numbers, *(pointer for pointer, _ in kernel.pointers), *tail]
        if condition:
            self.lines.append(f"if {condition}:")
        self.lines += wrapped(f"{INDENT if condition else ''}{name}[({grid},)](", given)

    def said(self, keys: Iterable[int]) -> str:
        """Values, by name."""
        return ", ".join(dict.fromkeys(self.graph[key].name or f"v{key}" for key in keys))

    def parameters(self) -> Iterator[Parameter]:
        """What the function takes, in no order: outputs apart."""
        yield from self.arrays.spans.values()
        yield from self.arrays.indices.values()
        yield from self.arrays.used.values()
