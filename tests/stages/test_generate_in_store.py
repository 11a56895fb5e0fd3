"""Generators whose run lies in a store: the engine works in a folder of the process; others go on from the store."""

import json

import pytest

from issodask.store.copies import copies_of
from issodask.store.places import place
from tests import stores
from tests.stages.generating import CONFIG, Heard, bytes_of, make, make_groups

pytestmark = pytest.mark.slow

BUCKET = "pools"
store = stores.fixture(BUCKET)
CONFIG_OF_ONE = CONFIG.model_copy(update={"generators": 1, "retries": 0})


@pytest.fixture
def folder(store, request):
    with stores.folder_of_test(store, request) as found:
        yield found


def elsewhere():
    """From here on this process has no copies, as another one has none."""
    with copies_of(place(f"s3://{BUCKET}"), lambda forget, root: forget(root)):
        pass


@pytest.mark.parametrize("make", [make, make_groups])
def test_generate_in_store__same_pool_as_on_a_disk(engine, store, folder, tmp_path, make):
    there, here = make(folder), make(tmp_path)
    expected = bytes_of(here)
    files = store.all_files(folder.name)
    assert {name: files[f"pool/{name}"] for name in expected} == expected
    assert (there.n_rows, there.n_units, there.columns) == (here.n_rows, here.n_units, here.columns)
    assert not any("original" in name or name.endswith(".lock") for name in files)


def test_generate_in_store__what_is_finished_is_kept(engine, folder):
    make(folder)
    calls = len(engine.calls)
    elsewhere()
    heard = Heard()
    make(folder, events=heard)
    assert len(engine.calls) == calls
    assert [event["phase"] for event in heard.events if event["event"] == "generator"] == []


def test_generate_in_store__who_samples_has_not_to_have_trained(engine, store, folder):
    expected = bytes_of(make(folder))
    parts = [name for name in store.all_files(folder.name) if name.startswith("pool/g01")]
    store.files.rm_file(f"{BUCKET}/{folder.name}/{parts[-1]}")
    elsewhere()
    engine.calls.clear()
    assert bytes_of(make(folder)) == expected
    assert [call.split()[0] for call in engine.calls] == ["sample"]


def test_generate_in_store__a_training_goes_on_elsewhere(engine, store, folder, monkeypatch):
    """From the last that the dead one left in the store, not from what it still had on its own disk."""
    from issodask.models import mostly

    found, trained = [], engine.train

    def train(table, home, training, device, report, names_of_groups=(), on_kept=lambda: None):
        found.append(sorted(path.name for path in home.glob("leg-*")))
        for i in (1, 2):
            (home / f"leg-{i:04d}").mkdir(parents=True, exist_ok=True)
            (home / f"leg-{i:04d}" / "leg.json").write_text("{}")
            (home / "workspace" / "OriginalData").mkdir(parents=True, exist_ok=True)
            (home / "workspace" / "OriginalData" / "rows").write_text("private")
            if len(found) == 1:
                on_kept()
                (home / "half").write_text("never told")
                raise RuntimeError("killed")
        trained(table, home, training, device, report, names_of_groups, on_kept)

    monkeypatch.setattr(mostly, "train", train)
    with pytest.raises(RuntimeError, match="killed"):
        make(folder, config=CONFIG_OF_ONE)
    left = store.all_files(folder.name)
    assert "generators/00/training.tar" in left
    assert b"private" not in left["generators/00/training.tar"]
    elsewhere()
    make(folder, config=CONFIG_OF_ONE)
    assert found == [[], ["leg-0001"]]
    files = store.all_files(folder.name)
    assert "generators/00/model.tar" in files
    assert "generators/00/training.tar" not in files


def test_generate_in_store__a_damaged_model_is_trained_again(engine, store, folder):
    expected = bytes_of(make(folder))
    store.files.pipe(f"{BUCKET}/{folder.name}/generators/00/model.tar", b"not what it was")
    for name in [name for name in store.all_files(folder.name) if name.startswith("pool/g00")]:
        store.files.rm_file(f"{BUCKET}/{folder.name}/{name}")
    heard = Heard()
    assert bytes_of(make(folder, events=heard)) == expected
    told = [event for event in heard.events if event.get("phase") == "damaged"]
    assert [event["file"].rpartition("/")[2] for event in told] == ["model.tar"]


def test_generate_in_store__tells_how_far_it_is(engine, store, folder):
    heard = Heard()
    make(folder, events=heard)
    phases = [(event["index"], event["phase"]) for event in heard.events if event["event"] == "generator"]
    for index in (0, 1):
        own = [phase for i, phase in phases if i == index]
        assert (own[0], own[-1]) == ("start", "done")
    lines = store.file(f"{folder.name}/generators/00/progress.jsonl").splitlines()
    assert [json.loads(line)["phase"] for line in lines] == [phase for i, phase in phases if i == 0]


def test_generate_in_store__other_settings_leave_nothing_of_the_old(engine, store, folder):
    make(folder)
    make(folder, n_units=240)
    expected = store.all_files(folder.name)
    assert sum(name.startswith("pool/g") for name in expected) == 4
    make(folder, config=CONFIG_OF_ONE, n_units=240)
    assert not any(name.startswith(("pool/g01", "generators/01/")) for name in store.all_files(folder.name))
