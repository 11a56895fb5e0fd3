"""The layers in pyproject.toml hold for the package as it is, and each of their contracts breaks when it should."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "issodask"


def lint(folder):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def copy(tmp_path):
    """A folder with the package and its contracts, to break."""
    shutil.copytree(PACKAGE, tmp_path / "issodask", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_layers__hold():
    linted = lint(REPOSITORY)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("table/schema.py", "from issodask.store import files", "Imports go down"),
        ("kernels/cells.py", "from issodask.table import cliques", "Imports go down"),
        ("runtime/base.py", "def late():\n    from issodask.stages import run", "Imports go down"),
        ("fitting/ipf.py", "from issodask.runtime import open_runtime", "Imports go down"),
        ("report/page.py", "from issodask import select", "The package's front door"),
        ("models/codec.py", "from issodask.config import JobConfig", "The job file"),
        ("fitting/ipf.py", "import dask.array", "Only runtime and service know Dask"),
        ("stages/select.py", "from distributed import Client", "Only runtime and service know Dask"),
        ("runtime/cluster.py", "import psutil", "Only the service knows certificates"),
        ("cli/hosts.py", "from supervisor.xmlrpc import SupervisorTransport", "Only the service knows certificates"),
        ("report/page.py", "import pyarrow.parquet", "Only store knows Arrow"),
        ("report/qa.py", "import torch", "Only models train"),
        ("stages/generate.py", "from mostlyai import engine", "Only models and report know mostlyai"),
        ("stages/generate.py", "import sdv", "Only the synthesizers' adapters know SDV"),
        ("fitting/trim.py", "from numba import njit", "Only kernels are compiled"),
        ("kernels/cells.py", "import pandas", "Kernels see plain arrays"),
        ("fitting/trim.py", "from pathlib import Path", "Nouns, loops and algorithms touch no files"),
    ],
)
def test_layers__break_on_a_wrong_import(copy, module, statement, contract):
    with (copy / "issodask" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")

    linted = lint(copy)

    assert linted.returncode == 1, linted.stdout + linted.stderr
    broken = [line for line in linted.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), broken


@pytest.mark.slow
def test_layers__a_new_module_must_find_its_layer(copy):
    (copy / "issodask" / "misc.py").touch()
    assert "issodask.misc" in lint(copy).stdout


def test_kernels__import_numpy_and_numba_only():
    graph = grimp.build_graph("issodask", include_external_packages=True, cache_dir=None)
    kernels = graph.find_descendants("issodask.kernels")
    imported = {name for kernel in kernels for name in graph.find_modules_directly_imported_by(kernel)}
    assert imported - kernels - sys.stdlib_module_names == {"numpy", "numba"}


@pytest.mark.slow
def test_mostlyai__models_train_and_report_measures():
    assert set(mostlyai_imports()) == {("models", "engine"), ("report", "qa")}


def mostlyai_imports():
    """Yield each room that imports from mostlyai, with the name of the part it takes."""
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported_names(node):
                if name.startswith("mostlyai."):
                    yield room, name.split(".")[1]


def imported_names(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []
