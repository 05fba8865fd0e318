"""Reads an emitted module as text: what each kernel loads and stores, in which order its host function launches it, and what of
that a GPU, whose programs and threads run at the same time, would not keep right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

LAST = "tl.program_id(0) == tl.num_programs(0) - 1"
HOST = ("prepare", "coefficients", "values", "combined")


@dataclass
class KernelText:
    """One kernel: what it loads, stores and adds to, in the order of its text; `faults` are those that no launch can mend."""

    name: str
    parameters: list[str]
    loads: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    adds: list[str] = field(default_factory=list)
    singles: list[str] = field(default_factory=list)     # stored at no place by all programs that there are
    read_again: list[str] = field(default_factory=list)  # loaded behind a barrier after the store
    faults: list[str] = field(default_factory=list)


def faults_of(text: str) -> list[str]:
    """Of the combine kernels of a module, and of the functions that launch them."""
    tree = ast.parse(text)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    kernels = {name: kernel_text(node) for name, node in functions.items() if name.rpartition("_")[0] in HOST}
    return [*(fault for kernel in kernels.values() for fault in kernel.faults),
            *(fault for name in HOST for fault in _faults_of_host(functions[name], kernels))]


# ------------------------------------------------------------------ kernels
def kernel_text(function: ast.FunctionDef) -> KernelText:
    """Goes through the lines of a kernel."""
    kernel = KernelText(function.name, [argument.arg for argument in function.args.args])
    _walk(kernel, function.body, written=set(), behind=set(), alone=False)
    return kernel


def _walk(kernel: KernelText, lines: list[ast.stmt], written: set[str], behind: set[str], alone: bool) -> None:
    """`written`: stored, and no barrier since; `behind`: stored before one; `alone`: one program is here."""
    for line in lines:
        match line:
            case ast.If(test=test):
                _calls(kernel, [test], written, behind, alone)
                is_last = ast.unparse(test) == LAST or "atomic_add" in ast.unparse(test)
                if not is_last:
                    kernel.faults.append(f"{kernel.name} goes two ways by {ast.unparse(test)}")
                _walk(kernel, line.body, written, behind, True)
                _walk(kernel, line.orelse, written, behind, alone)
                both = _assigned(line.body) & _assigned(line.orelse)
                kernel.faults.extend(f"{kernel.name} assigns {name} on both ways" for name in sorted(both))
            case ast.For(iter=over):
                _calls(kernel, [over], written, behind, alone)
                _walk(kernel, line.body, written, behind, alone)
            case _:
                _calls(kernel, [line], written, behind, alone)


def _calls(kernel: KernelText, lines: list[ast.AST], written: set[str], behind: set[str], alone: bool) -> None:
    calls = [node for line in lines for node in ast.walk(line) if isinstance(node, ast.Call)]
    for call in calls:
        name = ast.unparse(call.func)
        if name == "tl.debug_barrier":
            behind |= written
            written.clear()
        elif name == "tl.load":
            _load(kernel, _base(call.args[0]), written, behind)
        elif name == "tl.store":
            array = _base(call.args[0])
            if array in kernel.loads or array in kernel.stores or array in kernel.adds:
                kernel.faults.append(f"{kernel.name} stores {array} where it has loaded or stored before")
            kernel.stores.append(array)
            written.add(array)
            if not alone and isinstance(call.args[0], ast.Name):
                kernel.singles.append(array)
        elif name == "tl.atomic_add":
            kernel.adds.append(_base(call.args[0]))
            written.add(_base(call.args[0]))


def _load(kernel: KernelText, array: str, written: set[str], behind: set[str]) -> None:
    if array in written:
        kernel.faults.append(f"{kernel.name} loads {array}, which it has stored, before a barrier")
    if array in behind:
        kernel.read_again.append(array)
    kernel.loads.append(array)


def _base(address: ast.expr) -> str:
    """The pointer at the left of an address."""
    while isinstance(address, ast.BinOp):
        address = address.left
    return ast.unparse(address)


def _assigned(lines: list[ast.stmt]) -> set[str]:
    return {node.id for line in lines for node in ast.walk(line) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


# ------------------------------------------------------------------ host functions
def _faults_of_host(function: ast.FunctionDef, kernels: dict[str, KernelText]) -> Iterator[str]:
    """Launches in their order: each loads what is there, and nobody writes twice."""
    parameters = [argument.arg for argument in function.args.args]
    asked = {name for name in parameters if name.endswith("_out")}
    there, written = set(parameters) - asked, set[str]()
    for line in _lines(function.body):
        launch = _launch(line)
        if launch is None:
            yield from (f"{function.name} hands {name} to the library before it is written" for name in _kept_in(line) - there)
            there |= _filled(line)
            continue
        kernel, grid, given = kernels[launch[0]], launch[1], launch[2]
        named = dict(zip(kernel.parameters, given, strict=False))
        is_one = grid == "(1,)"
        for array in dict.fromkeys(kernel.loads):
            if array not in kernel.read_again and named[array] not in there:
                yield f"{kernel.name} loads {named[array]}, which no launch before it has written"
        for array in kernel.read_again if not is_one else ():
            if array not in kernel.adds:
                yield f"{kernel.name} reads {array} again, which other programs of the launch write"
        stored = [named[array] for array in kernel.stores]
        for name in stored:  # two pointers of one launch may be the same array too
            if name in written:
                yield f"{name} is stored twice, the second time by {kernel.name}"
            written.add(name)
        yield from (f"all programs of {kernel.name} store {array}" for array in kernel.singles if not is_one)
        there |= {*stored, *(named[array] for array in kernel.adds)}
    yield from (f"{function.name} does not write {name}" for name in sorted(asked - written))


def _lines(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for line in body:
        if isinstance(line, ast.If):
            yield from line.body
        else:
            yield line


def _launch(line: ast.stmt) -> tuple[str, str, list[str]] | None:
    """The kernel, how many programs of it, and what it is given by position."""
    match line:
        case ast.Expr(value=ast.Call(func=ast.Subscript(value=ast.Name(id=name), slice=grid), args=given)):
            return name, ast.unparse(grid), [ast.unparse(argument) for argument in given]
        case _:
            return None


def _kept_in(line: ast.stmt) -> set[str]:
    """The arrays that a line of the host reads."""
    found = {node.id for node in ast.walk(line) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    written = _filled(line)
    return {name for name in found - written if name.endswith(("_kept", "_parts"))}


def _filled(line: ast.stmt) -> set[str]:
    """Arrays that a line of the host gives numbers: those that it assigns to, places of sums that begin at 0."""
    match line:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))]):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name())):
            return {name}
        case _:
            return set()
