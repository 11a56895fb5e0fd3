"""Generators that learn an original and fill a pool: what is kept, made again, refused."""

import numpy as np
import pandas as pd
import pytest

from issodask.config import GenerateConfig
from issodask.errors import InputError
from issodask.models import mostly
from issodask.models.device import Device
from issodask.models.progress_log import read_progress
from issodask.runtime import open_runtime
from issodask.stages import generator_work
from issodask.stages.generate import generate
from tests.stages.generating import (
    CONFIG,
    ORIGINAL,
    SEQUENCES,
    UNITS_PER_CHUNK,
    Heard,
    bytes_of,
    make,
    make_groups,
)


@pytest.mark.usefixtures("engine")
def test_generate__shares_the_rows_out_in_bounded_parts(tmp_path):
    pool = make(tmp_path)
    assert pool.n_rows == 450
    assert [(part.generator, part.n_rows) for part in pool.parts] == [(g, n) for g in (0, 1) for n in (100, 100, 25)]
    assert len({part.seed for part in pool.parts}) == 2
    frame = pd.read_parquet(pool.path(pool.parts[0]))
    assert list(frame.columns) == list(ORIGINAL.columns)
    assert frame.dtypes.equals(ORIGINAL.dtypes)


@pytest.mark.usefixtures("engine")
def test_generate__seeds_depend_on_the_job(tmp_path):
    one, again, other = (make(tmp_path / name, seed=seed) for name, seed in [("one", 1), ("again", 1), ("other", 2)])
    assert bytes_of(one) == bytes_of(again) != bytes_of(other)


def test_generate__keeps_what_is_finished(tmp_path, engine):
    before = bytes_of(make(tmp_path))
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == []


def test_generate__resumed_sampling_gives_the_same_bytes(tmp_path, engine):
    whole = bytes_of(make(tmp_path / "whole"))
    engine.failures = ["sample 00/1", "sample 01/0"]
    engine.calls.clear()
    pool = make(tmp_path / "failed", CONFIG.model_copy(update={"retries": 1}))
    assert engine.calls.count("sample 00/0") == 1
    assert engine.calls.count("sample 00/1") == 2
    assert engine.calls.count("train 01") == 1
    assert bytes_of(pool) == whole


def test_generate__failed_run_is_taken_up_by_the_next(tmp_path, engine):
    engine.failures = ["sample 01/1"]
    with pytest.raises(RuntimeError, match="sample 01/1 failed"):
        make(tmp_path / "run", CONFIG.model_copy(update={"retries": 0}))
    engine.calls.clear()
    pool = make(tmp_path / "run")
    assert engine.calls == ["sample 01/1", "sample 01/2"]
    assert bytes_of(pool) == bytes_of(make(tmp_path / "whole"))


def test_generate__damaged_part_is_named_and_made_again(tmp_path, engine):
    pool = make(tmp_path)
    before = bytes_of(pool)
    path = pool.path(pool.parts[1])
    damaged = bytearray(path.read_bytes())
    damaged[50] ^= 1
    path.write_bytes(damaged)
    engine.calls.clear()
    heard = Heard()
    assert bytes_of(make(tmp_path, events=heard)) == before
    assert engine.calls == ["sample 00/1"]
    assert heard.events[1] == {"event": "damaged", "file": str(path), "generator": 0}


def test_generate__damaged_model_is_trained_again(tmp_path, engine):
    before = bytes_of(make(tmp_path))
    (tmp_path / "generators/00/workspace/ModelStore/weights").write_text("something else")
    (tmp_path / "pool/g00-part-0002.parquet").unlink()
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == ["train 00", "sample 00/2"]
    named = [record["file"] for record in read_progress(tmp_path / "generators/00") if record["phase"] == "damaged"]
    assert named == [str(tmp_path / "generators/00/workspace/ModelStore/weights")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({"config": {"temperature": 0.9}}, ["sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"config": {"max_epochs": 2.0}}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"seed": 2}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"original": ORIGINAL.head(150)}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"config": {"retries": 5, "device": "cpu"}}, []),
    ],
)
def test_generate__other_settings_make_anew_what_depends_on_them(tmp_path, engine, change, calls):
    make(tmp_path / "changed")
    engine.calls.clear()
    config = CONFIG.model_copy(update=change.pop("config", {}))
    pool = make(tmp_path / "changed", config, **change)
    assert [call for call in engine.calls if " 00" in call] == calls
    assert bytes_of(pool) == bytes_of(make(tmp_path / "fresh", config, **change))


@pytest.mark.usefixtures("engine")
def test_generate__fewer_generators_leave_nothing_of_the_others(tmp_path):
    make(tmp_path)
    pool = make(tmp_path, CONFIG.model_copy(update={"generators": 1}))
    assert {part.generator for part in pool.parts} == {0}
    assert pool.n_rows == 450
    assert not (tmp_path / "generators/01").exists()


@pytest.mark.usefixtures("engine")
def test_generate__keeps_no_copy_of_the_original(tmp_path):
    make(tmp_path)
    assert {path.parent.name for path in tmp_path.rglob("*.parquet")} == {"pool"}


@pytest.mark.usefixtures("engine")
def test_generate__fewer_units_than_generators(tmp_path):
    assert [part.n_rows for part in make(tmp_path, n_units=1).parts] == [1]


def test_generate__nothing_to_learn(tmp_path, engine):
    original = pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]})
    pool = make(tmp_path, original=original, n_units=5)
    assert pool.n_rows == 5
    assert engine.calls == []


def test_generate__ids_are_neither_learnt_nor_in_the_pool(tmp_path, engine):
    original = ORIGINAL.assign(customer_id=[f"C-{i:05d}" for i in range(0, 60_000, 300)])
    heard = Heard()
    pool = make(tmp_path, original=original, events=heard)
    assert list(pool.columns) == list(ORIGINAL.columns)
    assert engine.table.shape[1] == ORIGINAL.shape[1]
    assert heard.events[0]["left_out"] == ["customer_id"]
    assert heard.events[0]["told"][0].startswith("ids, new in the subset")
    with open_runtime(1, "serial") as runtime:
        named = generate(original, CONFIG, 450, tmp_path, 1, runtime, columns={"customer_id": "text"})
    assert list(named.columns) == list(original.columns)
    assert engine.calls.count("train 00") == 2


def test_generate__folder_is_used_as_it_is(tmp_path):
    ORIGINAL.to_parquet(tmp_path / "elsewhere.parquet")
    pool = make(tmp_path / "run", GenerateConfig(source=str(tmp_path)))
    assert pool.folder == tmp_path
    assert not (tmp_path / "run").exists()


def test_generate__missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        make(tmp_path / "run", GenerateConfig(source=str(tmp_path / "absent")))


def test_generate__callable_is_called_once_per_generator(tmp_path, own_source):
    config = CONFIG.model_copy(update={"source": own_source})
    pool = make(tmp_path / "run", config)
    assert [part.n_rows for part in pool.parts] == [100, 100, 25, 100, 100, 25]
    frames = [pd.read_parquet(pool.path(part)) for part in pool.parts]
    assert not frames[0].equals(frames[3])
    assert bytes_of(make(tmp_path / "again", config)) == bytes_of(pool)


def test_generate__bad_callable_leaves_earlier_results(tmp_path, own_source):
    pool = make(tmp_path / "run", CONFIG.model_copy(update={"source": own_source}))
    with pytest.raises(InputError, match="has no function 'absent'"):
        make(tmp_path / "run", CONFIG.model_copy(update={"source": "python:own_generator:absent"}))
    assert all(pool.path(part).exists() for part in pool.parts)


@pytest.mark.usefixtures("engine")
def test_groups__are_shared_out_whole(tmp_path):
    pool = make_groups(tmp_path)
    frames = {part.name: pd.read_parquet(pool.path(part)) for part in pool.parts}
    whole = pd.concat(frames.values(), ignore_index=True)
    assert pool.n_units == whole["person"].nunique() == 150
    assert whole["person"].dtype == "int64"
    assert list(whole.columns) == list(SEQUENCES.columns)
    for generator in (0, 1):
        own = [frames[part.name] for part in pool.parts if part.generator == generator]
        assert sum(frame["person"].nunique() for frame in own) == 75, "no group lies in two parts"
        assert [frame["person"].nunique() for frame in own[:-1]] == [UNITS_PER_CHUNK] * (len(own) - 1)
    assert whole.groupby("person")["step"].apply(lambda steps: steps.tolist() == list(range(len(steps)))).all()


def test_groups__of_a_chunk_have_the_rows_of_a_part_on_average(tmp_path, engine):
    pool = make_groups(tmp_path)
    n_chunks = -(-75 // UNITS_PER_CHUNK)
    assert sorted(engine.calls) == sorted(
        call
        for generator in ("00", "01")
        for call in [f"train {generator}", *(f"sample {generator}/{i_chunk}" for i_chunk in range(n_chunks))]
    )
    assert len(pool.parts) == 2 * n_chunks
    assert np.mean([part.n_rows for part in pool.parts if part.n_units == UNITS_PER_CHUNK]) == pytest.approx(100, 0.2)


@pytest.mark.parametrize("i_chunk", [0, 1, 2])
def test_groups__resumed_sampling_gives_the_same_bytes(tmp_path, engine, i_chunk):
    whole = bytes_of(make_groups(tmp_path / "whole"))
    engine.failures = [f"sample 00/{i_chunk}"]
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path / "failed", CONFIG.model_copy(update={"retries": 1}))) == whole
    assert engine.calls.count("train 00") == 1
    assert engine.calls.count(f"sample 00/{i_chunk}") == 2


def test_groups__damaged_part_is_made_again(tmp_path, engine):
    pool = make_groups(tmp_path)
    before = bytes_of(pool)
    pool.path(pool.parts[1]).unlink()
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path)) == before
    assert engine.calls == ["sample 00/1"]
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path)) == before
    assert engine.calls == []


@pytest.mark.usefixtures("engine")
def test_groups__another_key_makes_all_anew(tmp_path, engine):
    make(tmp_path, original=SEQUENCES)
    engine.calls.clear()
    pool = make_groups(tmp_path)
    assert {"train 00", "train 01"} < set(engine.calls)
    assert pool.n_units == 150


@pytest.mark.parametrize(
    ("original", "group_key", "message"),
    [
        (SEQUENCES, "name", "the original has no column 'name' for the group key"),
        (SEQUENCES.assign(person=[None, *SEQUENCES["person"][1:]]), "person", r"has no group key \('person'\) in 1 of"),
        (SEQUENCES[SEQUENCES["person"].isin(["p1", "p2"])], "person", "has 2 groups, but mostlyai needs 20"),
    ],
)
def test_groups__that_cannot_be_learnt_are_named_before_anything_starts(tmp_path, engine, original, group_key, message):
    with pytest.raises(InputError, match=message):
        make(tmp_path / "run", original=original, group_key=group_key)
    assert engine.calls == []
    assert not (tmp_path / "run").exists()


def test_groups__from_a_callable(tmp_path, own_source):
    lines = [
        "import pandas as pd",
        "def groups(original, n, seed):",
        "    keys = original['person'].drop_duplicates().sample(n + 1, replace=True, random_state=seed)",
        "    picked = [original[original['person'] == key].assign(person=i) for i, key in enumerate(keys)]",
        "    return pd.concat(picked)",
    ]
    (tmp_path / "own_groups.py").write_text("\n".join(lines))
    pool = make_groups(
        tmp_path / "run", CONFIG.model_copy(update={"source": f"python:{tmp_path}/own_groups.py:groups"})
    )
    assert pool.n_units == 150
    keys = pd.concat([pd.read_parquet(pool.path(part))["person"] for part in pool.parts])
    assert keys.nunique() == 150


def test_groups__nothing_to_learn(tmp_path, engine):
    original = SEQUENCES[["person"]].assign(a=np.nan)
    pool = make_groups(tmp_path, original=original, n_units=5)
    assert (pool.n_units, pool.n_rows, engine.calls) == (5, 5, [])


@pytest.mark.training
def test_groups__are_learnt_and_drawn(tmp_path):
    """A real training of one epoch."""
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=1, part_rows=200)
    pool = make_groups(tmp_path, config, n_units=200)
    whole = pd.concat([pd.read_parquet(pool.path(part)) for part in pool.parts])
    assert whole["person"].nunique() == pool.n_units == 200
    assert len(pool.parts) > 1
    assert (whole.groupby("person")["sex"].nunique() == 1).all()


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", "half"])
def test_notes__that_are_not_whole_are_not_trusted(tmp_path, engine, note):
    before = bytes_of(make(tmp_path))
    for name in ("chunks/0001.json", "trained.json"):
        path = tmp_path / "generators/00" / name
        text = path.read_text()
        path.write_text(text[: len(text) // 2] if note == "half" else note)
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == ["train 00", "sample 00/1"]


def test_device__threads_do_not_follow_from_the_workers(tmp_path, engine, monkeypatch):
    """Another number of threads gives other last digits."""
    devices = []
    monkeypatch.setattr(generator_work, "choose_device", lambda *_: Device("cpu", 4))
    monkeypatch.setattr(mostly, "train", lambda *args, **_: devices.append(args[3]) or engine.train(*args))
    make(tmp_path)
    assert devices == [Device("cpu", 1)] * 2
