"""Where a pool is made: in how many processes, by what it will take.

In: what is asked for, and the size of the pool. Out: workers and scheduler, where the user names none.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from issodask.config import GenerateConfig
from issodask.host import is_installed, memory_bytes, n_processors
from issodask.models import external
from issodask.store.frames import key_codes
from issodask.table.groups import Groups

if TYPE_CHECKING:
    from issodask.runtime.opening import Client

PROCESS_BYTES = 0.7e9
"""A process with PyTorch and the engine, while it samples."""

_SECONDS_PER_VALUE = 5e-6  # of one core; a column of thousands of categories takes as long as a hundred others
_WORTH_A_PROCESS_S = 30.0


@dataclass(frozen=True)
class PoolSize:
    """Rows of a pool, about, where units are groups, and columns."""

    n_rows: float
    n_columns: int

    @classmethod
    def of(cls, original: Any, n_units: int, group_key: str | None) -> "PoolSize":
        """Of `n_units` like those of the original, an Arrow table. Raises InputError for a bad group key."""
        n_own = original.num_rows
        if group_key is not None:
            where = "the original"
            n_own = Groups.of(key_codes(original, group_key, where), where=where).n_groups
        return cls(original.num_rows * n_units / max(1, n_own), original.num_columns)

    @property
    def sampling_s(self) -> float:
        """About how long one core samples."""
        return self.n_rows * self.n_columns * _SECONDS_PER_VALUE


def makes_pool(config: GenerateConfig) -> bool:
    """Whether the pool is to be made, rather than found in a folder."""
    return config.source == "mostlyai" or external.is_callable_source(config.source)


def place_to_make(
    config: GenerateConfig, workers: int | None, scheduler: "str | Client | None", size: PoolSize | None = None
) -> "tuple[int | None, str | Client | None]":
    """Workers and scheduler to make a pool with, where None is given: processes, as many as `n_processes` says.

    A pool that is there needs nothing. Without `distributed` the trainings are in this process, one after the other.
    """
    if not makes_pool(config):
        return 1, "serial"
    if scheduler is not None:
        return workers, scheduler
    if not is_installed("distributed"):
        return 1, "serial"
    return n_processes(config, workers or n_processors(), size), "processes"


def n_processes(config: GenerateConfig, at_most: int, size: PoolSize | None) -> int:
    """A process for each generator, and more where sampling pays for them.

    One takes about 7 s to start, so each has to have half a minute of sampling, and a chunk; together those beyond the
    generators may take half of this host's memory. A generator of the user's own samples by itself.
    """
    of_generators = min(config.generators, at_most)
    if size is None or external.is_callable_source(config.source):
        return of_generators
    worth_it = int(size.sampling_s / _WORTH_A_PROCESS_S)
    n_chunks = int(size.n_rows / config.part_rows)
    fitting = int(memory_bytes() / 2 / PROCESS_BYTES)
    return max(of_generators, min(at_most, worth_it, n_chunks, fitting))
