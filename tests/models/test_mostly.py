"""Real trainings, as short as they get: they show that training resumes and that samples repeat."""

import fcntl
import shutil
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.models import mostly
from issodask.models.codec import GROUP, Codec
from issodask.models.device import Device
from issodask.models.progress_log import ProgressLog, read_progress
from issodask.store.tables import as_frame
from tests.door import as_written, schema_from
from tests.models.tables import awkward, sequences

pytestmark = pytest.mark.training

CPU = Device("cpu", 1)
TRAINING = mostly.Training("MOSTLY_AI/Small", max_epochs=4, max_time_min=5, batch_size=None, seed=3)
SAMPLING = mostly.Sampling(temperature=1.0, top_p=1.0, seed=3)


class InterruptedTrainingError(RuntimeError):
    pass


class Trained:
    """A generator that was interrupted in its third epoch, the first of its second leg, then trained to the end."""

    def __init__(self, folder: Path, original: pd.DataFrame, group_key: str | None = None) -> None:
        self.folder = folder
        self.original = as_frame(original)
        self.schema = schema_from(self.original)
        self.codec = Codec.fit(self.original, self.schema, group_key)
        self.table = self.codec.encode(self.original)
        log = ProgressLog(folder)

        def report(phase, **fields):
            log.write(phase, **fields)
            if phase == "train" and fields.get("val_loss") is not None and fields["epoch"] >= 3:
                raise InterruptedTrainingError

        numbers_before = np.random.get_state()[1].copy()
        with pytest.raises(InterruptedTrainingError):
            mostly.train(self.table, folder, TRAINING, CPU, report, self.codec.names_of_groups)
        assert (np.random.get_state()[1] == numbers_before).all(), "training leaves the process's random numbers alone"
        self.n_before = len(read_progress(folder))
        mostly.train(self.table, folder, TRAINING, CPU, log.write, self.codec.names_of_groups)
        self.progress = read_progress(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mostly, "epochs_per_leg", lambda _: 2)
        return Trained(tmp_path_factory.mktemp("run") / "a [folder]::named * oddly? é", awkward())


@pytest.fixture(scope="module")
def trained_sequences(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mostly, "PARTITION_ROWS", 200)
        patch.setattr(mostly, "PARTITION_GROUPS", 50)
        patch.setattr(mostly, "epochs_per_leg", lambda _: 2)
        return Trained(tmp_path_factory.mktemp("run") / "sequences", sequences(), "person")


def epochs(records, phase="train"):
    of_phase = [record for record in records if record["phase"] == phase]
    return [record["epoch"] for record in of_phase if record.get("val_loss") is not None]


def test_train__goes_on_from_its_last_leg(trained):
    assert epochs(trained.progress[: trained.n_before]) == [1.0, 2.0, 3.0]
    assert trained.progress[trained.n_before]["epoch"] == 2.0
    assert epochs(trained.progress[trained.n_before :]) == [3.0, 4.0]


def test_train__prepares_once(trained):
    phases = [phase for phase, _ in groupby(record["phase"] for record in trained.progress)]
    assert phases.count("prepare") == 1


def test_train__tells_losses_and_time_left(trained):
    last = trained.progress[-1]
    assert last["phase"] == "train"
    assert last["max_epochs"] == 4
    assert last["val_loss"] > 0
    assert last["seconds_left"] >= 0


def test_sample__has_the_originals_columns_and_dtypes(trained):
    sample = mostly.sample(trained.folder, 300, 0, SAMPLING, CPU)
    restored = as_written(trained.codec.decode(sample), trained.schema)
    original = as_written(trained.original, trained.schema)
    assert len(restored) == 300
    assert list(restored.columns) == list(original.columns)
    assert restored.drop(columns=["__key", "stars"]).dtypes.equals(original.drop(columns=["__key", "stars"]).dtypes)
    assert restored["__key"].cat.categories.tolist() == ["b", "a"]
    assert set(restored["stars"]) == {1, 2, 3}
    assert set(restored["constant"]) == {7}
    assert restored[["всё пропущено", "all nan", "all nat"]].isna().all().all()
    assert 1600 <= restored["born 1600"].min().year < restored["born 1600"].max().year <= 1609
    has_missing = original.isna().any()
    assert (restored.isna().any() == has_missing).all()
    assert restored["identifier"].str.fullmatch(r"u\d+").all()
    assert not restored["identifier"].isin(original["identifier"]).any()


def test_sample__of_a_chunk_repeats_in_any_order(trained):
    chunks = [mostly.sample(trained.folder, 50, i_chunk, SAMPLING, CPU) for i_chunk in (0, 1, 0)]
    pd.testing.assert_frame_equal(chunks[0], chunks[2])
    assert not chunks[0].equals(chunks[1])


def test_sample__removes_what_killed_processes_left(trained, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    of_the_dead, of_the_living = tmp_path / "issodask-engine-dead", tmp_path / "issodask-engine-alive"
    for folder in (of_the_dead, of_the_living):
        folder.mkdir()
        (folder / ".alive").touch()
    with (of_the_living / ".alive").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        mostly.sample(trained.folder, 5, 0, SAMPLING, CPU)
    assert list(tmp_path.iterdir()) == [of_the_living]


def test_train__leaves_denormal_numbers_as_they_were(trained):
    assert np.float64(5e-324) * np.float64(1.0) > 0  # what the engine's training would flush to zero


def test_tidy__leaves_what_sampling_needs_and_no_rows(trained, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained.folder, folder)
    expected = mostly.sample(folder, 50, 0, SAMPLING, CPU)
    mostly.tidy(folder)
    left = {str(path.relative_to(folder)) for path in mostly.model_files(folder)}
    assert left == {
        "workspace/ModelStore/tgt-stats/stats.json",
        "workspace/ModelStore/model-data/model-configs.json",
        "workspace/ModelStore/model-data/model-weights.pt",
    }
    assert not list(folder.rglob("*.parquet"))
    pd.testing.assert_frame_equal(mostly.sample(folder, 50, 0, SAMPLING, CPU), expected)


def test_train__same_seed_same_generator(trained, tmp_path):
    def one_epoch(name, seed):
        training = mostly.Training("MOSTLY_AI/Small", max_epochs=1, max_time_min=5, batch_size=64, seed=seed)
        mostly.train(trained.table, tmp_path / name, training, CPU, ProgressLog(tmp_path / name).write)
        return mostly.sample(tmp_path / name, 50, 0, SAMPLING, CPU)

    one, again, other = one_epoch("one", 1), one_epoch("again", 1), one_epoch("other", 2)
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)


def test_train__a_single_row_is_enough(tmp_path):
    table = pd.DataFrame({"c0000": [1.5], "c0001": ["x"]})
    mostly.train(table, tmp_path, TRAINING, CPU, ProgressLog(tmp_path).write)
    assert len(mostly.sample(tmp_path, 3, 0, SAMPLING, CPU)) == 3


def test_train__sequences_go_on_from_their_last_leg(trained_sequences):
    before, after = (
        trained_sequences.progress[: trained_sequences.n_before],
        trained_sequences.progress[trained_sequences.n_before :],
    )
    assert epochs(before, "train groups") == [1.0, 2.0, 3.0, 4.0]
    assert epochs(before) == [1.0, 2.0, 3.0]
    assert after[0]["phase"] == "train"
    assert after[0]["epoch"] == 2.0
    assert epochs(after)[-1] == 4.0
    assert "train groups" not in {record["phase"] for record in after}


def test_sample__has_whole_groups_in_order(trained_sequences):
    sample = mostly.sample(trained_sequences.folder, 200, 0, SAMPLING, CPU)
    assert set(sample.columns) == set(trained_sequences.table.columns)
    assert sample[GROUP].is_monotonic_increasing
    assert set(sample[GROUP]) == set(range(200))
    lengths = sample[GROUP].value_counts()
    assert 1 <= lengths.min() < lengths.max() <= 6
    restored = as_written(trained_sequences.codec.decode(sample), trained_sequences.schema.without("person"))
    assert restored.notna().any().all()


def test_sample__columns_that_never_change_do_not(trained_sequences):
    sample = mostly.sample(trained_sequences.folder, 200, 0, SAMPLING, CPU)
    decoded = trained_sequences.codec.decode(sample)
    n_values = decoded.groupby("person").nunique(dropna=False)
    assert (n_values[["sex", "born"]] == 1).all().all()
    assert decoded["born"].isna().any()
    assert (n_values["wage"] > 1).any()


def test_sample__what_one_group_alone_has_is_rare(trained_sequences):
    """In 12 rows, but a value, a length and a step of one group."""
    sample = trained_sequences.codec.decode(mostly.sample(trained_sequences.folder, 500, 0, SAMPLING, CPU))
    assert set(sample["job"]) == {"a", "b", "c"}
    stats = (trained_sequences.folder / "workspace/ModelStore/tgt-stats/stats.json").read_text()
    assert "mine" not in stats
    assert '"no_of_rare_categories": 1' in stats


def test_sample__of_sequences_repeats_in_any_order(trained_sequences):
    folder = trained_sequences.folder
    chunks = [mostly.sample(folder, 50, i_chunk, SAMPLING, CPU) for i_chunk in (0, 1, 0)]
    pd.testing.assert_frame_equal(chunks[0], chunks[2])
    assert not chunks[0].equals(chunks[1])


def test_tidy__leaves_what_sampling_sequences_needs(trained_sequences, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_sequences.folder, folder)
    mostly.tidy(folder)
    assert not list(folder.rglob("*.parquet"))
    files = {str(path.relative_to(folder)) for path in mostly.model_files(folder)}
    assert {f"{part}workspace/ModelStore/model-data/model-weights.pt" for part in ("", "groups/")} < files
    expected = mostly.sample(trained_sequences.folder, 50, 0, SAMPLING, CPU)
    pd.testing.assert_frame_equal(mostly.sample(folder, 50, 0, SAMPLING, CPU), expected)
    mostly.begin_anew(folder)
    assert mostly.model_files(folder) == []


ONE_EPOCH = mostly.Training("MOSTLY_AI/Small", max_epochs=1, max_time_min=5, batch_size=64, seed=1)


def test_train__sequences_of_the_same_seed_are_the_same(trained_sequences, tmp_path):
    def one_epoch(name):
        mostly.train(
            trained_sequences.table,
            tmp_path / name,
            ONE_EPOCH,
            CPU,
            ProgressLog(tmp_path / name).write,
            trained_sequences.codec.names_of_groups,
        )
        return mostly.sample(tmp_path / name, 50, 0, SAMPLING, CPU)

    pd.testing.assert_frame_equal(one_epoch("one"), one_epoch("again"))


@pytest.mark.parametrize("n_longer", [0, 3])
def test_train__groups_of_one_row(tmp_path, n_longer):
    """Also where few enough are longer to be private."""
    groups = np.concatenate([np.arange(60), np.arange(n_longer)])
    table = pd.DataFrame({GROUP: groups, "c0000": groups % 3, "c0001": np.arange(len(groups)) % 2})
    mostly.train(table, tmp_path, ONE_EPOCH, CPU, ProgressLog(tmp_path).write, ["c0000"] if n_longer else [])
    sample = mostly.sample(tmp_path, 30, 0, SAMPLING, CPU)
    assert sample[GROUP].tolist() == list(range(30))
    assert set(sample["c0000"]) == {0, 1, 2}


def test_check_lengths__takes_what_can_be_learnt():
    mostly.check_lengths(np.array([1, 1, 1]))
    mostly.check_lengths(np.arange(1, 21))
    mostly.check_lengths(np.array([100_000] * 5 + [3] * 20))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([2] * 19, "has 19 groups, but mostlyai needs 20"),
        ([10_001] * 6 + [3] * 20, "has groups of 10,001 rows and more, but mostlyai makes groups of up to 10,000 rows"),
    ],
)
def test_check_lengths__says_what_to_do(lengths, message):
    with pytest.raises(InputError, match=message):
        mostly.check_lengths(np.array(lengths))
