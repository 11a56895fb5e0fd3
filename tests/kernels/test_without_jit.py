"""The kernels as plain Python: NumPy then says when a number overflows, which compiled code does silently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from issodask.kernels.cells import locate

ROOM = Path(__file__).parent
PLAIN = os.environ.get("NUMBA_DISABLE_JIT") == "1"


def test_kernel__is_compiled_unless_told_otherwise():
    assert hasattr(locate, "signatures") != PLAIN


@pytest.mark.slow
@pytest.mark.skipif(PLAIN, reason="they run so already")
def test_kernels__pass_without_numba():
    settings = {"NUMBA_DISABLE_JIT": "1", "HYPOTHESIS_PROFILE": "few"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOM)]
    run = subprocess.run(command, env=os.environ | settings, cwd=ROOM.parents[1], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
