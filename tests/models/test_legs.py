"""Real trainings in legs of two epochs, disturbed in every way: they end in the bytes of one that was not."""

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from issodask.models import engine, mostly
from issodask.models.legs import LEG_VALUES, Ending, Leg, Legs, carried_over, epochs_per_leg
from issodask.models.progress_log import read_progress
from tests.models.dying import died
from tests.models.in_legs import CPU, SAMPLING, TRAINING, bytes_of_model, train_in_legs

pytestmark = pytest.mark.training


class InterruptedTrainingError(RuntimeError):
    pass


class Undisturbed:
    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        train_in_legs(kind, folder)
        self.model = bytes_of_model(folder)


@pytest.fixture(scope="module")
def undisturbed_of(tmp_path_factory):
    """Each kind is trained once; look, don't touch."""
    done = {}

    def of(kind):
        if kind not in done:
            done[kind] = Undisturbed(kind, tmp_path_factory.mktemp("undisturbed"))
        return done[kind]

    return of


@pytest.fixture(params=["rows", "groups"])
def undisturbed(request, undisturbed_of):
    return undisturbed_of(request.param)


@pytest.fixture
def undisturbed_rows(undisturbed_of):
    return undisturbed_of("rows")


def interrupt(kind, folder, epoch, phase="train"):
    """Train until the end of an epoch."""

    def report(told, **fields):
        if told == phase and fields.get("val_loss") is not None and fields["epoch"] >= epoch:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        train_in_legs(kind, folder, report)


@pytest.fixture(scope="module")
def interrupted_rows(tmp_path_factory):
    """A training of rows that was interrupted at the end of an epoch: done once, a copy for each test."""
    folders = {}

    def copy_to(folder, epoch):
        if epoch not in folders:
            folders[epoch] = tmp_path_factory.mktemp("interrupted")
            interrupt("rows", folders[epoch], epoch)
        shutil.copytree(folders[epoch], folder, dirs_exist_ok=True)

    return copy_to


def resume(kind, folder):
    """Train to the end; return what the training began with."""
    train_in_legs(kind, folder)
    return next(record for record in read_progress(folder) if "epoch" in record)


def legs_in(folder):
    return sorted(path.name for path in folder.glob("leg*"))


def losses_told(folder):
    return [record["val_loss"] for record in read_progress(folder) if record.get("val_loss") is not None]


@pytest.mark.parametrize(
    ("n_values", "n_epochs"),
    [(0, LEG_VALUES), (1, LEG_VALUES), (340_000, 88), (1_000_000, 30), (LEG_VALUES, 1), (10 * LEG_VALUES, 1)],
)
def test_epochs_per_leg__follow_from_the_size(n_values, n_epochs):
    assert epochs_per_leg(n_values) == n_epochs


def test_train__interrupted_ends_in_the_same_bytes(undisturbed, tmp_path):
    interrupt(undisturbed.kind, tmp_path, 4)
    began = resume(undisturbed.kind, tmp_path)
    assert began["epoch"] == 2
    assert bytes_of_model(tmp_path) == undisturbed.model
    samples = [mostly.sample(folder, 50, 0, SAMPLING, CPU) for folder in (tmp_path, undisturbed.folder)]
    pd.testing.assert_frame_equal(*samples)


@pytest.mark.parametrize("undisturbed", ["groups"], indirect=True)
def test_train__interrupted_in_the_model_of_groups(undisturbed, tmp_path):
    interrupt("groups", tmp_path, 3, "train groups")
    assert resume("groups", tmp_path)["phase"] == "train groups"
    assert bytes_of_model(tmp_path) == undisturbed.model


def test_train__interrupted_again_and_again(undisturbed_rows, tmp_path):
    for epoch in (1, 3, 3):
        interrupt("rows", tmp_path, epoch)
    resume("rows", tmp_path)
    assert bytes_of_model(tmp_path) == undisturbed_rows.model


@pytest.mark.parametrize("undisturbed", ["groups"], indirect=True)
def test_train__killed_in_its_second_leg_ends_in_the_same_bytes(undisturbed, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "tests.models.in_legs", undisturbed.kind, str(tmp_path)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 120
    while not any(record["phase"] == "train" and record["epoch"] >= 2 for record in read_progress(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    train_in_legs(undisturbed.kind, tmp_path)
    assert bytes_of_model(tmp_path) == undisturbed.model


@pytest.mark.parametrize(
    ("damaged", "epoch"),
    [
        (["leg-0002/best-weights.pt"], 2),
        (["leg-0002/optimizer.pt", "leg-0001/leg.json"], 0),
    ],
)
def test_train__damaged_legs_are_done_again(undisturbed_rows, interrupted_rows, tmp_path, damaged, epoch):
    interrupted_rows(tmp_path, 5)
    assert legs_in(tmp_path) == ["leg-0001", "leg-0002"]
    for name in damaged:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert resume("rows", tmp_path)["epoch"] == epoch
    assert bytes_of_model(tmp_path) == undisturbed_rows.model


def test_train__what_was_half_written_is_ignored(undisturbed_rows, interrupted_rows, tmp_path):
    interrupted_rows(tmp_path, 3)
    shutil.copytree(tmp_path / "leg-0001", tmp_path / "leg.work")
    (tmp_path / "leg.work/leg.json").unlink()
    (tmp_path / "leg-0002").mkdir()
    resume("rows", tmp_path)
    assert bytes_of_model(tmp_path) == undisturbed_rows.model
    mostly.tidy(tmp_path)
    assert legs_in(tmp_path) == []


def test_train__finished_stays_finished(undisturbed_rows, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed_rows.folder, folder)
    told = []
    train_in_legs("rows", folder, lambda phase, **_: told.append(phase))
    assert told == []
    assert bytes_of_model(folder) == undisturbed_rows.model


def test_begin_anew__ends_in_the_same_bytes(undisturbed_rows, interrupted_rows, tmp_path):
    interrupted_rows(tmp_path, 3)
    mostly.begin_anew(tmp_path)
    assert legs_in(tmp_path) == []
    assert resume("rows", tmp_path)["epoch"] == 0
    assert bytes_of_model(tmp_path) == undisturbed_rows.model


def test_train__time_is_given_to_all_legs_together(interrupted_rows, tmp_path):
    """The time of earlier legs counts: the first step of the next one is the last, and the best of them all stays."""
    interrupted_rows(tmp_path, 3)
    best = (tmp_path / "leg-0001/best-weights.pt").read_bytes()
    train_in_legs("rows", tmp_path, training=replace(TRAINING, max_time_min=0.0001))
    assert (tmp_path / "workspace/ModelStore/model-data/model-weights.pt").read_bytes() == best


def test_train__one_epoch_more_than_a_leg_follows_the_same_way(undisturbed_rows, tmp_path):
    """Legs follow from the table, so a training of more epochs has those of a shorter one."""
    train_in_legs("rows", tmp_path / "shorter", training=replace(TRAINING, max_epochs=3))
    shorter, longer = losses_told(tmp_path / "shorter"), losses_told(undisturbed_rows.folder)
    assert shorter == longer[:3]


# what a leg takes over from the one before


def test_carried_over__stops_after_epochs_of_both_legs():
    from mostlyai.engine._tabular import training

    engines_own = training.EarlyStopper
    with carried_over(Leg(1, 2.0, 1.0, best_loss=0.5, n_epochs_worse=3)) as ending:
        stopper = training.EarlyStopper(val_loss_patience=4)
        assert not stopper(val_loss=0.6)
        assert not ending.stopped_early
        assert stopper(val_loss=0.6)
    assert ending.stopped_early
    assert training.EarlyStopper is engines_own


class SavedIfBetter:
    """Stands in for the engine's checkpoint: notes with which loss it was asked."""

    def __init__(self):
        self.losses = []

    def save_checkpoint_if_best(self, loss, model, optimizer, rates):
        self.losses.append(loss)


@pytest.mark.parametrize(("stopped_early", "asked"), [(False, [0.25]), (True, [])])
def test_take_last__a_training_whose_time_ran_out_may_end_better_than_its_last_epoch(stopped_early, asked):
    saved = SavedIfBetter()
    Ending(stopped_early=stopped_early, model="model", checkpoint=saved, validate=lambda: 0.25).take_last()
    assert saved.losses == asked


def test_take_last__nothing_was_validated():
    Ending().take_last()


class Stateful:
    def state_dict(self):
        return {"a": 1}


@pytest.fixture
def legs(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model-weights.pt", "model-configs.json", "progress-messages.csv", "optimizer.pt"):
        (model / name).write_text(f"{name} of the first leg")
    return Legs(tmp_path, model)


def ended(improved, best_loss=0.5, n_epochs_worse=0):
    class Stopper:
        pass

    stopper = Stopper()
    stopper.best_loss, stopper.val_loss_cnt = best_loss, n_epochs_worse
    return Ending(stopper, improved=improved, model=Stateful(), optimizer=Stateful(), rates=Stateful())


def test_legs__the_best_of_all_ends_up_as_the_trained_one(legs, tmp_path):
    legs.keep(Leg(), 2.0, 7.5, ended(improved=True))
    second = legs.restore()
    assert second == Leg(1, 2.0, 7.5, 0.5, 0)
    assert (tmp_path / "model/model-weights.pt").read_bytes()[:2] == b"PK", "goes on from the last weights"
    legs.keep(second, 4.0, 15.0, ended(improved=False, n_epochs_worse=2))
    third = legs.restore()
    assert third == Leg(2, 4.0, 15.0, 0.5, 2)
    legs.settle(third, ended(improved=False))
    assert (tmp_path / "model/model-weights.pt").read_text() == "model-weights.pt of the first leg"
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model-configs.json", "model-weights.pt"]


def test_legs__improved_in_the_last_leg(legs, tmp_path):
    legs.keep(Leg(), 2.0, 7.5, ended(improved=True))
    second = legs.restore()
    (tmp_path / "model/model-weights.pt").write_text("better")
    legs.settle(second, ended(improved=True))
    assert (tmp_path / "model/model-weights.pt").read_text() == "better"


def test_legs__two_are_kept(legs, tmp_path):
    leg = Leg()
    for _ in range(4):
        legs.keep(leg, 2.0, 7.5, ended(improved=False))
        leg = legs.restore()
    assert legs_in(tmp_path) == ["leg-0003", "leg-0004"]


def test_legs__killed_at_any_moment_there_is_a_last_one(legs, tmp_path):
    for n_kept in range(2):
        legs.keep(Leg(n_kept), 2.0, 7.5, ended(improved=True, best_loss=0.9))
    n_changes = 0
    while died(n_changes, partial(legs.keep, Leg(2), 6.0, 22.5, ended(improved=True, best_loss=0.1))):
        last = Legs(tmp_path, tmp_path / "other").restore()
        assert (last.n_before, last.best_loss) in [(2, 0.9), (3, 0.1)]
        n_changes += 1
    assert n_changes > 5
    assert legs_in(tmp_path) == ["leg-0002", "leg-0003"]


def test_legs__without_any_epoch_there_is_no_best_loss_yet(legs):
    legs.keep(Leg(), 2.0, 7.5, ended(improved=False, best_loss=math.inf))
    assert legs.restore().best_loss == math.inf


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"leg": {"n": 1}, "files": {}}'])
def test_legs__damaged_note_is_no_leg(legs, tmp_path, note):
    legs.keep(Leg(), 2.0, 7.5, ended(improved=True))
    (tmp_path / "leg-0001/leg.json").write_text(note)
    assert legs.restore() == Leg()


def test_legs__note_names_every_file(legs, tmp_path):
    legs.keep(Leg(), 2.0, 7.5, ended(improved=True))
    noted = json.loads((tmp_path / "leg-0001/leg.json").read_text())
    assert set(noted["files"]) | {"leg.json"} == {path.name for path in (tmp_path / "leg-0001").iterdir()}


def test_legs__change_the_order_of_rows_and_nothing_else(tmp_path, monkeypatch):
    """Without chance, a training in legs ends early in the same epoch and the same bytes as one in a single leg."""
    from mostlyai.engine._tabular import training

    in_order = training.DataLoader
    monkeypatch.setattr(training, "DataLoader", lambda **settings: in_order(**settings | {"shuffle": False}))
    monkeypatch.setattr(engine, "_kept", lambda torch, shape, p: torch.ones(shape, dtype=torch.bool))
    long = replace(TRAINING, max_epochs=60, batch_size=32)
    train_in_legs("rows", tmp_path / "whole", training=long, n_epochs=60, n_rows=400)
    train_in_legs("rows", tmp_path / "in legs", training=long, n_epochs=2, n_rows=400)
    losses = [losses_told(tmp_path / name) for name in ("whole", "in legs")]
    assert losses[0] == losses[1]
    assert 5 < len(losses[0]) < 60, "stopped early"
    assert bytes_of_model(tmp_path / "in legs") == bytes_of_model(tmp_path / "whole")
