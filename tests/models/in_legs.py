"""Trainings in short legs, for tests; `python -m tests.models.in_legs KIND FOLDER` is one to kill."""

import sys
from pathlib import Path
from unittest import mock

from distributed import Worker, WorkerPlugin

from issodask.models import mostly
from issodask.models.codec import Codec
from issodask.models.device import Device
from issodask.models.progress_log import ProgressLog
from issodask.store.tables import as_frame
from tests.door import schema_from
from tests.models.tables import awkward, sequences

CPU = Device("cpu", 1)
TRAINING = mostly.Training("MOSTLY_AI/Small", max_epochs=5, max_time_min=5, batch_size=None, seed=3)
SAMPLING = mostly.Sampling(temperature=1.0, top_p=1.0, seed=3)


def train_in_legs(
    kind: str,
    folder: Path,
    report: mostly.Report | None = None,
    training: mostly.Training = TRAINING,
    n_epochs: int = 2,
    n_rows: int = 150,
) -> None:
    """Train the small table of rows, or of groups; tell the progress log unless there is a `report`."""
    original, group_key = (awkward(n_rows), None) if kind == "rows" else (sequences(), "person")
    original = as_frame(original)
    codec = Codec.fit(original, schema_from(original), group_key)
    report = report or ProgressLog(folder).write
    with mock.patch.object(mostly, "epochs_per_leg", return_value=n_epochs):
        mostly.train(codec.encode(original), folder, training, CPU, report, codec.names_of_groups)


class InLegs(WorkerPlugin):
    """Lets all trainings of a cluster run in legs of so many epochs."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def setup(self, worker: Worker) -> None:
        mostly.epochs_per_leg = lambda _: self.n_epochs


def bytes_of_model(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in mostly.model_files(folder)}


if __name__ == "__main__":
    train_in_legs(sys.argv[1], Path(sys.argv[2]))
