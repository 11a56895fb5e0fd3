"""The search: the same bytes on any runtime, after any interruption, from the rounds that it names."""

import shutil
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.fitting import ipf
from issodask.fitting.schedule import N_SEGMENTS
from issodask.runtime import open_runtime
from issodask.runtime.arrays import BlockWeights
from issodask.stages import checkpoint
from issodask.stages.refine import n_tasks
from issodask.stages.select import select
from issodask.store.pool_writer import PoolWriter, seal_pool
from issodask.table import blocks
from tests.door import schema_from
from tests.heard import of_records
from tests.tables import QUICK, biased_pool, mixed_table, narrow, write_pool

CONFIG = QUICK.model_copy(update={"effort": 240.0, "units": 400})
OFTEN = CONFIG.model_copy(update={"checkpoint_s": 0.0})
SUBSET, LINEAGE = "subset.parquet", "subset.lineage.parquet"
WORK = {"search", "ipf", "trim", "refine"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with original.parquet and a pool of three parts."""
    folder = tmp_path_factory.mktemp("world")
    mixed_table().to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", biased_pool())
    return folder


@pytest.fixture
def choose(world):
    """Select into a folder; gives what `select` does."""

    def run(folder, config=CONFIG, runtime=None, listener=None, seed=1, pool=world / "pool"):
        heard = Events(None, *([of_records(listener)] if listener else []))
        with open_runtime(1) as serial:
            return select(
                world / "original.parquet",
                pool,
                folder / SUBSET,
                config,
                seed=seed,
                runtime=runtime or serial,
                events=heard,
            )

    return run


@pytest.fixture(scope="module")
def undisturbed(world, tmp_path_factory):
    """The folder of a finished selection with one worker; look, don't touch."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with open_runtime(1) as runtime:
        select(world / "original.parquet", world / "pool", folder / SUBSET, CONFIG, runtime=runtime)
    return folder


class InterruptionError(Exception):
    pass


def interrupt_at(event, **fields):
    def listen(heard):
        if heard["event"] == event and fields.items() <= heard.items():
            raise InterruptionError

    return listen


def bytes_of(folder):
    return (folder / SUBSET).read_bytes(), (folder / LINEAGE).read_bytes()


def stages_of(heard):
    return {event["event"] for event in heard}


def encoded_states(heard):
    return {event["part"]: event["state"] for event in heard if event["event"] == "encode"}


@pytest.mark.slow
def test_search__same_bytes_on_every_runtime(choose, undisturbed, tmp_path, runtime):
    choose(tmp_path, runtime=runtime)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
def test_search__same_bytes_with_and_without_a_manifest(choose, world, tmp_path):
    schema = schema_from(pd.read_parquet(world / "original.parquet"))
    with PoolWriter(tmp_path / "ours", schema, generator=0, seed=1, part_rows=2_500) as writer:
        writer.append(biased_pool())
    seal_pool(tmp_path / "ours")
    (tmp_path / "foreign").mkdir()
    for part in (tmp_path / "ours").glob("*.parquet"):
        shutil.copy(part, tmp_path / "foreign")
    choose(tmp_path / "a", pool=tmp_path / "ours")
    choose(tmp_path / "b", pool=tmp_path / "foreign")
    assert bytes_of(tmp_path / "a")[0] == bytes_of(tmp_path / "b")[0]
    assert pd.read_parquet(tmp_path / "a" / LINEAGE)["generator"].eq(0).all()


def test_search__other_seed_other_subset(choose, undisturbed, tmp_path):
    choose(tmp_path, seed=2)
    assert bytes_of(tmp_path)[0] != bytes_of(undisturbed)[0]


@pytest.mark.slow
def test_search__rounds_repeat_an_effort(choose, undisturbed, tmp_path):
    named = choose(tmp_path / "a").rounds
    choose(tmp_path / "b", CONFIG.model_copy(update={"rounds": named, "effort": 1.0}))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == bytes_of(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0.01, 0.5])
def test_search__rounds_repeat_a_time_limit(choose, tmp_path, limit):
    limited = choose(tmp_path / "a", CONFIG.model_copy(update={"time_limit_s": limit}))
    repeated = choose(tmp_path / "b", CONFIG.model_copy(update={"rounds": limited.rounds}))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert repeated.accuracy == limited.accuracy
    assert repeated.rounds == limited.rounds
    assert repeated.stop_reason == "rounds done"


@pytest.mark.slow
def test_search__rounds_repeat_a_refinement_that_the_time_cut_off(choose, tmp_path, monkeypatch):
    clock = iter(np.arange(0, 1_000, 0.05))
    with monkeypatch.context() as patch:
        ticking = SimpleNamespace(monotonic=lambda: float(next(clock)), perf_counter=time.perf_counter)
        patch.setattr(checkpoint, "time", ticking)
        limited = choose(tmp_path / "a", CONFIG.model_copy(update={"time_limit_s": 1.4}))
    done, _, planned = limited.rounds.partition("/")
    assert limited.stop_reason == "time limit"
    assert int(done) > 0
    assert len(set(planned.split("-"))) > 1
    choose(tmp_path / "b", CONFIG.model_copy(update={"rounds": limited.rounds}))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "fields"),
    [
        ("encode", {"n": 2}),
        ("ipf", {"n": 1}),
        ("trim", {"n": 200}),
        ("refine", {"i_round": 0}),
        ("refine", {"i_round": 2}),
    ],
)
def test_search__interrupted_anywhere_same_bytes(choose, undisturbed, tmp_path, moment, fields):
    with pytest.raises(InterruptionError):
        choose(tmp_path, listener=interrupt_at(moment, **fields))
    assert not (tmp_path / SUBSET).exists()
    choose(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


def test_search__goes_on_in_the_midst_of_ipf(choose, undisturbed, tmp_path, monkeypatch):
    with pytest.raises(InterruptionError):
        choose(tmp_path, OFTEN, listener=interrupt_at("ipf", n=2))
    steps = []
    step = BlockWeights.step

    def listen(self, scale_by, sum_by, n_sums):
        steps.append(n_sums)
        return step(self, scale_by, sum_by, n_sums)

    monkeypatch.setattr(BlockWeights, "step", listen)
    choose(tmp_path)
    assert steps[:2] == [0, 0]  # scaled again, not summed
    assert steps[-1] > 0
    assert bytes_of(tmp_path) == bytes_of(undisturbed)
    assert not (tmp_path / "subset.work" / "select" / "ipf.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "other"])
def test_search__damaged_sums_of_ipf_change_nothing(choose, undisturbed, tmp_path, damage):
    with pytest.raises(InterruptionError):
        choose(tmp_path, OFTEN, listener=interrupt_at("ipf", n=2))
    harm(tmp_path / "subset.work" / "select" / "ipf.npz", damage)
    choose(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
def test_search__a_sample_for_ipf_gives_the_same_bytes_on_every_runtime(choose, tmp_path, monkeypatch, runtime):
    monkeypatch.setattr(ipf, "_LEAST_FITTED", 1)
    monkeypatch.setattr(ipf, "_FITTED_PER_UNIT", 5)
    monkeypatch.setattr(blocks, "_STRIP_UNITS", 100)
    choose(tmp_path / "a", runtime=runtime)
    choose(tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_search__goes_on_in_the_midst_of_refinement(choose, undisturbed, tmp_path):
    with pytest.raises(InterruptionError):
        choose(tmp_path, OFTEN, listener=interrupt_at("refine", i_round=2))
    heard = []
    choose(tmp_path, listener=heard.append)
    assert next(event for event in heard if event["event"] == "resume")["next_round"] == 2
    assert next(event["i_round"] for event in heard if event["event"] == "refine") == 2
    assert not {"ipf", "trim"} & stages_of(heard)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("moments", [[2], [100], [199], [200], [30, 31, 150]], ids=str)
def test_search__goes_on_in_the_midst_of_trimming(choose, undisturbed, tmp_path, moments):
    for moment in moments:
        with pytest.raises(InterruptionError):
            choose(tmp_path, OFTEN, listener=interrupt_at("trim", n=moment))
    heard = []
    finished = choose(tmp_path, listener=heard.append)
    assert next(event["n"] for event in heard if event["event"] == "trim") == moments[-1]
    assert "ipf" not in stages_of(heard)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)
    assert finished.rounds == "3/12"


@pytest.mark.slow
def test_search__rounds_repeat_a_time_limit_that_was_interrupted(choose, tmp_path):
    config = OFTEN.model_copy(update={"time_limit_s": 1.5})
    for moment in (50, 150):
        with pytest.raises(InterruptionError):
            choose(tmp_path / "a", config, listener=interrupt_at("trim", n=moment))
    limited = choose(tmp_path / "a", config)
    assert len(limited.rounds.partition("/")[2].split("-")) in (1, N_SEGMENTS)
    choose(tmp_path / "b", CONFIG.model_copy(update={"rounds": limited.rounds}))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_search__time_counts_over_attempts(choose, tmp_path, monkeypatch):
    state = tmp_path / "subset.work" / "select" / "state.npz"
    with monkeypatch.context() as patch:
        fast = SimpleNamespace(monotonic=lambda: 100 * time.monotonic(), perf_counter=time.perf_counter)
        patch.setattr(checkpoint, "time", fast)
        with pytest.raises(InterruptionError):
            choose(tmp_path, OFTEN, listener=interrupt_at("trim", n=150))
    interrupted = checkpoint.load_state(state)
    again = choose(tmp_path)
    assert checkpoint.load_state(state).elapsed_s > interrupted.elapsed_s > interrupted.stage_s > 5
    assert again.facts.timings["trim"] > interrupted.stage_s


def test_search__after_ipf_only_trimming_is_left(choose, undisturbed, tmp_path):
    with pytest.raises(InterruptionError):
        choose(tmp_path, listener=interrupt_at("trim", n=1))
    heard = []
    choose(tmp_path, listener=heard.append)
    assert "ipf" not in stages_of(heard)
    assert set(encoded_states(heard).values()) == {"intact"}
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


def test_search__finished_work_is_skipped(choose, tmp_path):
    first = choose(tmp_path)
    written = (tmp_path / SUBSET).stat().st_mtime_ns, (tmp_path / LINEAGE).stat().st_mtime_ns
    heard = []
    again = choose(tmp_path, listener=heard.append)
    assert not stages_of(heard) & WORK
    assert set(encoded_states(heard).values()) == {"intact"}
    assert written == ((tmp_path / SUBSET).stat().st_mtime_ns, (tmp_path / LINEAGE).stat().st_mtime_ns)
    assert (again.accuracy, again.rounds, again.stop_reason) == (first.accuracy, first.rounds, first.stop_reason)


@pytest.mark.slow
@pytest.mark.parametrize("name", [SUBSET, LINEAGE])
@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_search__a_lost_result_is_written_again(choose, undisturbed, tmp_path, name, damage):
    choose(tmp_path)
    harm(tmp_path / name, damage)
    heard = []
    choose(tmp_path, listener=heard.append)
    assert not {"ipf", "trim", "refine"} & stages_of(heard)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "seed"),
    [(CONFIG, 2), (CONFIG.model_copy(update={"units": 300}), 1), (SelectConfig(effort=40, ipf_passes=1), 1)],
)
def test_search__another_job_in_the_same_folder_starts_anew(choose, tmp_path, changed, seed):
    choose(tmp_path / "used")
    heard = []
    choose(tmp_path / "used", changed, seed=seed, listener=heard.append)
    choose(tmp_path / "fresh", changed, seed=seed)
    assert "trim" in stages_of(heard)
    assert "resume" not in stages_of(heard)
    assert bytes_of(tmp_path / "used") == bytes_of(tmp_path / "fresh")


@pytest.mark.slow
def test_search__another_pool_in_the_same_folder_starts_anew(choose, tmp_path):
    write_pool(tmp_path / "pool", biased_pool(seed=9))
    choose(tmp_path / "used")
    choose(tmp_path / "used", pool=tmp_path / "pool")
    choose(tmp_path / "fresh", pool=tmp_path / "pool")
    assert bytes_of(tmp_path / "used") == bytes_of(tmp_path / "fresh")


def test_search__other_values_in_the_same_bins_are_written(choose, world, tmp_path):
    """The codes, and so the search, stay the same; the rows that they stand for don't."""
    pool = biased_pool()
    outlier = pd.read_parquet(world / "original.parquet")["wage (€)"].quantile(0.97)
    pool["wage (€)"] = pool["wage (€)"].clip(upper=outlier)
    write_pool(tmp_path / "pool", pool)
    pool["wage (€)"] = pool["wage (€)"].mask(pool["wage (€)"] == outlier, outlier + 1)
    write_pool(tmp_path / "changed", pool)
    choose(tmp_path, pool=tmp_path / "pool")
    heard = []
    choose(tmp_path, pool=tmp_path / "changed", listener=heard.append)
    assert not stages_of(heard) & WORK
    assert pd.read_parquet(tmp_path / SUBSET)["wage (€)"].max() == outlier + 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_search__damaged_codes_are_named_and_made_again(choose, undisturbed, tmp_path, damage):
    choose(tmp_path)
    harm(tmp_path / "subset.work" / "codes" / "part-1.parquet.npy", damage)
    heard = []
    choose(tmp_path, listener=heard.append)
    assert encoded_states(heard) == {
        "part-0.parquet": "intact",
        "part-1.parquet": "damaged",
        "part-2.parquet": "intact",
    }
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "other"])
@pytest.mark.parametrize("name", ["state.npz", "ipf.json", "written.json", "weights/000000002000.npy"])
def test_search__damaged_checkpoints_change_nothing(choose, undisturbed, tmp_path, name, damage):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    harm(tmp_path / "subset.work" / "select" / name, damage)
    (tmp_path / SUBSET).unlink()
    choose(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.parametrize("name", ["state.npz", "weights/000000002000.npy"])
def test_search__damaged_checkpoints_are_named(choose, undisturbed, tmp_path, name):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    harm(tmp_path / "subset.work" / "select" / name, "truncate")
    heard = []
    choose(tmp_path, listener=heard.append)
    assert [event["file"] for event in heard if event["event"] == "damaged"] == [
        str(tmp_path / "subset.work" / "select" / name)
    ]


def test_search__damaged_weights_do_not_reach_the_trimming(choose, undisturbed, tmp_path):
    with pytest.raises(InterruptionError):
        choose(tmp_path, listener=interrupt_at("trim", n=1))
    path = tmp_path / "subset.work" / "select" / "weights" / "000000002000.npy"
    np.save(path, np.load(path)[::-1])
    choose(tmp_path)
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


def test_search__another_folder_of_the_same_tables_same_bytes(choose, world, undisturbed, tmp_path):
    shutil.copytree(world / "pool", tmp_path / "elsewhere")
    choose(tmp_path, pool=tmp_path / "elsewhere")
    assert bytes_of(tmp_path) == bytes_of(undisturbed)


@pytest.mark.slow
def test_search__narrow_pool_of_one_part_same_bytes_on_every_runtime(tmp_path, runtime):
    tables = narrow(mixed_table()), narrow(biased_pool())
    select(*tables, tmp_path / "a.parquet", QUICK, runtime=runtime)
    with open_runtime(1) as serial:
        select(*tables, tmp_path / "b.parquet", QUICK, runtime=serial)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def harm(path, damage):
    data = bytearray(path.read_bytes())
    match damage:
        case "flip":
            data[len(data) // 2] ^= 0x10
        case "truncate":
            data = data[: len(data) // 2]
        case "empty":
            data = bytearray()
        case "other":
            data = bytearray(b"[1, 2]\n")
    path.unlink()
    if damage != "remove":
        path.write_bytes(data)


@pytest.mark.slow
def test_search__time_limit_with_nothing_to_trim(choose, tmp_path):
    config = CONFIG.model_copy(update={"oversize": 1.0, "time_limit_s": 1.0})
    assert choose(tmp_path, config).stop_reason in ("time limit", "converged")


@pytest.mark.parametrize(
    ("work_s", "at_most", "task_s", "n_workers", "expected"),
    [
        (0.0005, 32, 0.0, 4, 32),
        (0.0005, 32, 0.01, 4, 1),
        (0.04, 32, 0.01, 16, 2),
        (0.64, 32, 0.01, 2, 8),
        (0.64, 32, 0.01, 5, 10),
        (1e3, 32, 0.01, 5, 32),
        (0.0, 0, 0.01, 2, 0),
    ],
)
def test_n_tasks__is_small_where_tasks_cost_more_than_what_they_do(work_s, at_most, task_s, n_workers, expected):
    assert n_tasks(work_s, at_most, task_s, n_workers) == expected
