"""Warming up compiles all that selections need, so that they compile nothing."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# In a process of its own: in this one, other tests have called kernels already.
CODE = """
import json, pkgutil, sys
from importlib import import_module
from numba.core.dispatcher import Dispatcher

from issodask import kernels
from issodask.config import SelectConfig
from issodask.stages.select import select
from issodask.warm import warm_up
from tests.tables import biased_panel, biased_pool, mixed_table, panel_table

def compiled():
    modules = [import_module(f"issodask.kernels.{module.name}") for module in pkgutil.iter_modules(kernels.__path__)]
    found = {}
    for module in modules:
        for name, kernel in vars(module).items():
            if isinstance(kernel, Dispatcher):
                found[f"{module.__name__}.{name}"] = sorted(map(str, kernel.signatures))
    return found

stages = [compiled()]
warm_up()
stages.append(compiled())
config = SelectConfig(effort=30.0, ipf_passes=2)
folder = sys.argv[1]
select(mixed_table(200), biased_pool(900), f"{folder}/rows.parquet", config)
select(panel_table(60, 1), biased_panel(200), f"{folder}/groups.parquet", config, group_key="who")
stages.append(compiled())
print(json.dumps(stages))
"""


def test_warm_up__leaves_nothing_to_compile(tmp_path):
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    before, warm, after = json.loads(done.stdout.splitlines()[-1])
    assert not any(before.values())
    assert sum(bool(signatures) for signatures in warm.values()) >= 10
    assert after == warm
