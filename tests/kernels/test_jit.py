"""How kernels are compiled: what numba cached counts as long as no kernel's file has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import issodask
from issodask.kernels.jit import CacheFile

PACKAGE = Path(issodask.__file__).parent

_ONE = "from issodask.kernels.jit import kernel\n\n\n@kernel\ndef one():\n    return {}\n"
_TWO = (
    "from issodask.kernels.jit import kernel\nfrom issodask.kernels.one import one\n\n\n"
    "@kernel\ndef two():\n    return one() + 1\n"
)


@pytest.mark.slow
def test_kernel__is_compiled_anew_when_what_it_calls_has_changed(tmp_path):
    kernels = tmp_path / "issodask" / "kernels"
    kernels.mkdir(parents=True)
    (tmp_path / "issodask" / "__init__.py").touch()
    (kernels / "__init__.py").touch()
    shutil.copy(PACKAGE / "kernels" / "jit.py", kernels)
    (kernels / "two.py").write_text(_TWO)
    found = []
    for number in (1, 1, 5):
        (kernels / "one.py").write_text(_ONE.format(number))
        command = "from issodask.kernels.two import two; print(two(), sum(two.stats.cache_hits.values()))"
        environment = os.environ | {
            "PYTHONPATH": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",  # Python takes what it wrote for good within a second of the change
            "NUMBA_DISABLE_JIT": "0",
        }
        run = [sys.executable, "-c", command]
        said = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        found.append(said.split())
    assert found == [["2", "0"], ["2", "1"], ["6", "0"]]


@pytest.mark.parametrize("last", [0, 1])
def test_cache_file__two_processes_that_compile_at_once_keep_their_own(tmp_path, last):
    """Both find an empty index; then each writes what it compiled, in either order."""
    keys, codes = (("rows",), ("groups",)), ("code of rows", "code of groups")
    for place in (1 - last, last):
        file = CacheFile(str(tmp_path), "burst", ())
        file._load_index = dict
        file.save(keys[place], codes[place])
    found = [CacheFile(str(tmp_path), "burst", ()).load(key) for key in keys]
    assert found[last] == codes[last]
    assert found[1 - last] in (None, codes[1 - last])


def test_cache_file__finds_what_it_saved_until_a_kernel_changes(tmp_path):
    file = CacheFile(str(tmp_path), "burst", (("swaps.py", 1),))
    for key in ("rows", "groups"):
        file.save((key,), key)
    assert [file.load((key,)) for key in ("rows", "groups", "others")] == ["rows", "groups", None]
    assert CacheFile(str(tmp_path), "burst", (("swaps.py", 2),)).load(("rows",)) is None


_ADD_OR_TOTAL = """
import sys
import numpy as np
from issodask.kernels.units import add_shares, total_values
from issodask.table.cliques import Cliques

layout = Cliques.of([3, 2])
units = layout.gather([(np.array([[0, 0], [2, 1], [1, 1]], np.uint8), np.arange(3))], 1, np.ones(3))
counts, totals = np.zeros(layout.n_cells), np.zeros(3)
if "add" in sys.argv:
    add_shares(units, np.array([1.0, 2.0, 4.0]), counts)
if "total" in sys.argv:
    total_values(units, np.arange(layout.n_cells, dtype=float), totals)
print(counts.tolist(), totals.tolist())
"""


@pytest.mark.slow
def test_kernel__what_two_processes_compiled_is_not_mixed_up_in_a_third(tmp_path):
    """Both kernels take arguments of the same types, and call what is compiled under one name unless it has its own."""
    shutil.copytree(PACKAGE, tmp_path / "issodask", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "0", "PYTHONDONTWRITEBYTECODE": ""}

    def said(*which):
        run = [sys.executable, "-c", _ADD_OR_TOTAL, *which]
        return subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    counts, totals = said("add").split("] [")[0], said("total").split("] [")[1]
    assert said("add", "total").split("] [") == [counts, totals]
