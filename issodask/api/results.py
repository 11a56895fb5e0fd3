"""What the verbs return: objects that say what they are, and hand over what is in them in the forms that people use."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.api.evaluating import Chosen, evaluate
from issodask.api.folders import Folder
from issodask.api.report import Report

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    import pyarrow as pa

    from issodask.stages.plan import Estimate
    from issodask.stages.select import Selected
    from issodask.store.pool import Pool as StoredPool
    from issodask.table.roles import Found


class Pool:
    """A pool of candidate units, in files.

    `iss.Pool(path)` opens one that is there: a folder of an earlier run, or a folder or file of Parquet or CSV.
    """

    def __init__(self, opened: "StoredPool | str | Path", folder: Folder | None = None) -> None:
        from issodask.store.places import is_path
        from issodask.store.pool import open_pool

        self.opened = open_pool(opened) if is_path(opened) else opened
        self._folder = folder

    @property
    def path(self) -> Path:
        """The folder of its files."""
        return self.opened.folder

    @property
    def columns(self) -> list[str]:
        return list(self.opened.columns)

    @property
    def n_rows(self) -> int:
        """Rows of all files; those of CSV are read for it."""
        from issodask.store.parts import count_rows

        n_rows = self.opened.n_rows
        return sum(count_rows(self.opened.file(part)) for part in self.opened.parts) if n_rows is None else n_rows

    @property
    def n_groups(self) -> int | None:
        """Groups of all files; None where the pool was not made of groups."""
        return self.opened.n_units if self.opened.group_key is not None else None

    @property
    def n_files(self) -> int:
        return len(self.opened.parts)

    def __len__(self) -> int:
        """Its units: groups, where it was made of groups, else rows."""
        return self.n_rows if self.n_groups is None else self.n_groups

    def to_dask(self) -> "dd.DataFrame":
        """The rows as a Dask frame, a partition per file."""
        from issodask.runtime.frames import frame_of
        from issodask.store.parts import part_frame

        return frame_of(part_frame, [self.opened.file(part) for part in self.opened.parts])

    def __repr__(self) -> str:
        what = "rows" if self.n_groups is None else "groups"
        return f"<Pool of {len(self):,} {what}, {len(self.columns)} columns, at {self.path}>"


@dataclass(frozen=True, repr=False)
class Selection(Chosen):
    """The subset that was selected from a pool."""

    selected: "Selected"
    pool: Pool
    original: Any
    group_key: str | None
    seed: int
    columns: Mapping[str, str] | None
    csv: Mapping[str, Any] | None
    folder: Folder

    @property
    def path(self) -> Path:
        """The subset, a Parquet file."""
        return self.selected.out

    @property
    def out(self) -> Path:
        """Where the subset is, by the name that `select` has for it."""
        return self.path

    @property
    def accuracy(self) -> float:
        """Overall accuracy against the original, as mostlyai-qa defines it."""
        return self.selected.accuracy

    @property
    def random_accuracy(self) -> float:
        """The accuracy of as many random units of the pool."""
        return self.selected.random_accuracy

    @property
    def highest_accuracy(self) -> float | None:
        """What no subset of the pool can exceed; None unless `bound` was asked for."""
        return self.selected.highest_accuracy

    @property
    def stop_reason(self) -> str:
        """Why the search ended."""
        return self.selected.stop_reason

    @property
    def rounds(self) -> str:
        """What repeats this very search, byte for byte: select(..., rounds=...)."""
        return self.selected.rounds

    @property
    def facts(self) -> dict[str, Any]:
        """All that there is to tell of the search, as metrics.json has it."""
        return self.selected.facts.to_dict()

    @property
    def lineage(self) -> "pd.DataFrame":
        """Where each unit comes from: generator, part and row of the pool."""
        from issodask.store.frames import to_frame
        from issodask.store.subset import lineage_path
        from issodask.store.tables import read_table

        return to_frame(read_table(lineage_path(self.path)))

    def to_arrow(self) -> "pa.Table":
        """The subset in the original's exact types."""
        from issodask.store.tables import read_table

        return read_table(self.path)

    def to_pandas(self) -> "pd.DataFrame":
        """The subset in the original's dtypes, where it was a pandas frame."""
        import pandas as pd

        with self.path.open("rb") as file:
            return pd.read_parquet(file)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the subset to `path`."""
        from issodask.store.files import copy_whole
        from issodask.store.places import place

        return copy_whole(self.path, place(path))

    def evaluate(self, holdout: Any | None = None, **settings: Any) -> Report:
        """Measure it, beside as many random units of the pool; keywords as those of `evaluate`."""
        given = {"group_key": self.group_key, "seed": self.seed, "columns": self.columns, "csv": self.csv}
        return evaluate(self.original, self, holdout=holdout, **(given | settings))

    def random_units(self) -> "pa.Table":
        """As many units of the pool, drawn at random: what the subset would be without selection."""
        from issodask.runtime import open_runtime
        from issodask.stages.roles import KnownColumns
        from issodask.stages.run import sample_pool
        from issodask.store.tables import as_table

        original = as_table(self.original, where="the original", csv=self.csv)
        known = KnownColumns.of(original, self.group_key, self.columns)
        with open_runtime() as runtime:
            return sample_pool(self.pool.opened, self.selected, known, self.seed, runtime)

    def __len__(self) -> int:
        """Its units: rows, or groups."""
        return self.selected.n_units

    def __repr__(self) -> str:
        what = "rows" if self.group_key is None else "groups"
        return (
            f"<Selection of {len(self):,} of {self.selected.facts.pool_units:,} {what}: accuracy {self.accuracy:.5f}, "
            f"of random ones {self.random_accuracy:.5f}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.to_pandas().head().to_html()}"


@dataclass(frozen=True, repr=False)
class Finished:
    """All results of a job: pool, selection, report, and the folder that has them as files."""

    path: Path
    pool: Pool
    selection: Selection
    report: Report

    def __repr__(self) -> str:
        return f"<Finished at {self.path}:\n  {self.pool!r}\n  {self.selection!r}\n  {self.report!r}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>{self.report._repr_html_()}"


@dataclass(frozen=True, repr=False)
class Plan:
    """What a job will need, stage by stage, and the role of each column, with the reason."""

    stages: "Sequence[Estimate]"
    roles: "Mapping[str, Found]"

    def __repr__(self) -> str:
        return "\n".join([*_aligned(self.stage_rows), "", *_aligned(self.role_rows)])

    def _repr_html_(self) -> str:
        return _html_table(self.stage_rows) + _html_table(self.role_rows)

    @property
    def stage_rows(self) -> list[tuple[str, ...]]:
        """A heading, and a line for each stage."""
        return [
            ("stage", "what", "time up to", "memory", "disk"),
            *(
                (
                    each.stage,
                    each.what,
                    "?" if each.seconds is None else f"{each.seconds:,.0f} s",
                    f"{each.memory_bytes / 1e9:.2f} GB",
                    f"{each.disk_bytes / 1e9:.2f} GB",
                )
                for each in self.stages
            ),
        ]

    @property
    def role_rows(self) -> list[tuple[str, ...]]:
        """A heading, and a line for each column."""
        return [("column", "role", "why"), *((name, found.role, found.why) for name, found in self.roles.items())]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [_html_row(head, "th"), *(_html_row(row, "td") for row in body)]
    return f"<table>{''.join(lines)}</table>"


def _html_row(row: Sequence[str], tag: str) -> str:
    """Set to the left, as words are; notebooks put cells to the right."""
    cells = [f'<{tag} style="text-align: left">{html.escape(text)}</{tag}>' for text in row]
    return f"<tr>{''.join(cells)}</tr>"
