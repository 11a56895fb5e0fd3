"""What the structure comes to, in figures: rooms, files, classes, functions and imports, as they are written.

In: the files of the package, of now or of a commit. Out: a few figures. Imports count wherever they stand, in functions
and for types too: an import that is put off is an arrow all the same.
"""

import ast
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
_PACKAGE = "issodask"
_MANY_PARAMETERS = 7


@dataclass(frozen=True)
class Module:
    """One file of Python: its dotted name, the room it stands in, its lines and its syntax."""

    name: str
    room: str
    n_lines: int
    tree: ast.Module

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [each for each in ast.walk(self.tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]

    @property
    def classes(self) -> list[ast.ClassDef]:
        return [each for each in ast.walk(self.tree) if isinstance(each, ast.ClassDef)]


@dataclass(frozen=True)
class House:
    """All modules, and the layers that its imports are to keep: rooms that stand beside each other are one layer."""

    modules: dict[str, Module]
    layers: list[list[str]]

    @classmethod
    def read(cls, folder: Path) -> "House":
        """The package in `folder`, beside the pyproject.toml that has its layers."""
        paths = sorted((folder / _PACKAGE).rglob("*.py"))
        modules = [_module(path, folder) for path in paths]
        return cls({module.name: module for module in modules}, _layers(folder))

    @property
    def arrows(self) -> set[tuple[str, str]]:
        """Who imports whom, file by file."""
        return {
            (module.name, imported)
            for module in self.modules.values()
            for imported in _imported(module, self.modules)
            if imported != module.name
        }

    @property
    def circles(self) -> list[tuple[str, ...]]:
        """Groups of files that reach each other by imports."""
        imported: dict[str, set[str]] = {name: set() for name in self.modules}
        for importer, other in self.arrows:
            imported[importer].add(other)
        reached = {name: _reached(name, imported) for name in imported}
        back = {name: [other for other in reached[name] if name in reached[other]] for name in reached}
        return sorted({tuple(sorted(circle)) for circle in back.values() if circle})

    @property
    def upward(self) -> set[tuple[str, str]]:
        """Imports from a lower room to a higher one, or to one beside it."""
        floor = {room: i_layer for i_layer, layer in enumerate(self.layers) for room in layer}
        rooms = {name: module.room for name, module in self.modules.items()}
        return {
            (importer, imported)
            for importer, imported in self.arrows
            if rooms[importer] != rooms[imported]
            and {rooms[importer], rooms[imported]} <= floor.keys()
            and floor[rooms[imported]] <= floor[rooms[importer]]
        }

    @property
    def room_lines(self) -> dict[str, int]:
        """Lines of each room, the largest first."""
        lines: dict[str, int] = {}
        for module in self.modules.values():
            lines[module.room] = lines.get(module.room, 0) + module.n_lines
        return dict(sorted(lines.items(), key=lambda item: -item[1]))

    @property
    def crowded(self) -> list[tuple[str, str, int]]:
        """Functions with more than seven parameters, outside the kernels: module, function, how many."""
        return [
            (module.name, function.name, _n_parameters(function))
            for module in self.modules.values()
            if module.room != "kernels"
            for function in module.functions
            if _n_parameters(function) > _MANY_PARAMETERS
        ]


def measures(house: House) -> dict[str, str]:
    """The figures, by what they are of."""
    modules = list(house.modules.values())
    n_lines = sum(module.n_lines for module in modules)
    longest = max(modules, key=lambda module: module.n_lines)
    functions = [function for module in modules for function in module.functions]
    by_lines = [(_n_lines(each), each) for module in modules for each in module.classes]
    largest_lines, largest = max(by_lines, key=lambda found: found[0])
    room, room_lines = next(iter(house.room_lines.items()))
    return {
        "modules": f"{len(modules):,}",
        "lines": f"{n_lines:,}",
        "longest file": f"{_short(longest.name)}, {longest.n_lines:,} lines",
        "largest class": f"{largest.name}, {len(_methods(largest))} methods, {largest_lines:,} lines",
        "largest room": f"{room}, {100 * room_lines / n_lines:.1f} % of all lines",
        "circles of imports": f"{len(house.circles)}",
        "imports upward": f"{len(house.upward)}",
        "functions with more than 7 parameters, outside kernels": f"{len(house.crowded):,} of {len(functions):,}",
        "function, median": f"{median(map(_n_lines, functions)):.0f} lines",
    }


def details(house: House) -> Iterator[str]:
    """What is behind those figures that should be none."""
    for circle in house.circles:
        yield f"circle    {' '.join(map(_short, circle))}"
    for importer, imported in sorted(house.upward):
        yield f"upward    {_short(importer)} -> {_short(imported)}"
    for module, function, n_parameters in sorted(house.crowded, key=lambda found: -found[2]):
        yield f"{n_parameters:2} of      {_short(module)}.{function}"


def table(columns: dict[str, House]) -> str:
    """The figures of several houses beside one another, in Markdown."""
    told = {name: measures(house) for name, house in columns.items()}
    lines = [f"| | {' | '.join(told)} |", "|---|" + "---|" * len(told)]
    for what in next(iter(told.values())):
        lines.append(f"| {what} | {' | '.join(figures[what] for figures in told.values())} |")
    return "\n".join(lines)


@contextmanager
def at_commit(commit: str) -> Iterator[Path]:
    """A folder with the package as it was."""
    command = ["git", "-C", str(ROOT), "archive", commit, _PACKAGE, "pyproject.toml"]
    packed = subprocess.run(command, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)


def _module(path: Path, folder: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    room = parts[1] if parts[1] != "__init__" else _PACKAGE
    return Module(name, room, len(text.splitlines()), ast.parse(text))


def _layers(folder: Path) -> list[list[str]]:
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def _imported(module: Module, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each for each in (name if name in known else node.module for name in names) if each in known)


def _reached(name: str, imported: dict[str, set[str]]) -> set[str]:
    """What a file imports, and what that imports."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = imported[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _methods(node: ast.ClassDef) -> list[ast.stmt]:
    return [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def _n_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = function.args
    named = [each for each in (*arguments.posonlyargs, *arguments.args) if each.arg not in ("self", "cls")]
    return len(named) + len(arguments.kwonlyargs)


def _n_lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Of what is written, with its docstring and without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _short(name: str) -> str:
    return name.removeprefix(f"{_PACKAGE}.")
