"""What all tests share: which are quick, how hypothesis draws, and one runtime of each kind."""

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from issodask.runtime import Runtime, open_runtime
from tests import clusters

hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=60)
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("steady"), max_examples=8)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

_QUICK = "not training and not cluster and not slow"
_NOT_QUICK_FILE = re.compile(r"^pytestmark = [^=]*\bmark\.(training|cluster|slow)\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    told = f"what `make quick` runs: tests that are {_QUICK}, with fewer examples"
    parser.addoption("--quick", action="store_true", help=told)


def pytest_configure(config: pytest.Config) -> None:
    if config.option.quick:
        config.option.markexpr = _QUICK
        hypothesis.settings.load_profile("few")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that has no quick test is not even read: to import what it needs takes longer than a quick test."""
    if not config.option.quick or collection_path.suffix != ".py":
        return None
    return True if _NOT_QUICK_FILE.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use worker processes are marked so: `make quick` leaves them out."""
    for item in items:
        if isinstance(item, pytest.Function) and _uses_processes(item):
            item.add_marker(pytest.mark.cluster)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: nobody need look for garbage there again."""
    gc.freeze()


def _uses_processes(test: pytest.Function) -> bool:
    params = test.callspec.params if hasattr(test, "callspec") else {}
    return not {"two_processes", "_supervised"}.isdisjoint(test.fixturenames) or params.get("runtime") == "processes"


@pytest.fixture(scope="session")
def two_processes() -> Iterator[Runtime]:
    """A Dask cluster of two worker processes; slow to start, so all tests share it."""
    with open_runtime(2, "processes") as runtime:
        yield runtime


@pytest.fixture(params=["serial", "threads", "processes"])
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """Each kind of runtime in turn; all but the serial one have two workers."""
    if request.param == "processes":
        yield request.getfixturevalue("two_processes")
    else:
        with open_runtime(2, request.param) as runtime:
            yield runtime


@pytest.fixture(scope="session")
def _supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with clusters.running(home / "cluster"):
        yield home


@pytest.fixture
def home(_supervised: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ISSODASK_HOME whose cluster is up: two supervised workers that all tests share, both there and idle."""
    monkeypatch.setenv("ISSODASK_HOME", str(_supervised))
    clusters.wait_for_workers(2)
    return _supervised
