"""Where the engine works for a generator, and how what it learnt gets from there to other workers.

Mostly that is the generator's own folder. Where the run is in a store, it is a folder of the process: what there is to
go on from is one file in the store, written whenever there is more of it, and so is the trained generator, which every
worker that samples unpacks once.
"""

from pathlib import Path

from issodask.models import mostly
from issodask.models.progress_log import PROGRESS, ProgressLog
from issodask.stages.generator_task import GeneratorTask, damaged_files, noted_files
from issodask.store.copies import local, stand_in
from issodask.store.files import file_hash, read_json, whole_file, write_json
from issodask.store.places import is_file, is_remote, read_bytes, remove, upload

TRAINED = "trained.json"

_TRAINING, _MODEL = "training.tar", "model.tar"


def home_of(task: GeneratorTask) -> Path:
    """Where the engine works."""
    return stand_in(_of_training(task, "home")) if is_remote(task.folder) else task.folder


def log_of(task: GeneratorTask) -> ProgressLog:
    """What the generator tells; to be written to only while its lock is held."""
    if not is_remote(task.folder):
        return ProgressLog(task.folder)
    folder, path = stand_in(_of_training(task, "told")), task.folder / PROGRESS
    (folder / PROGRESS).write_bytes(read_bytes(path) or b"")
    return ProgressLog(folder, lambda file: upload(file, path))


def tell_waiting(task: GeneratorTask) -> None:
    """Tell that another holds the generator's lock; in a store only the holder can tell anything."""
    if not is_remote(task.folder):
        log_of(task).write("wait")


def is_trained(task: GeneratorTask) -> bool:
    """Whether the trained generator is there and intact."""
    files = noted_files(task.folder / TRAINED, task.training_key)
    return files is not None and not damaged_files(task.folder, files)


def forget_damaged_training(task: GeneratorTask, log: ProgressLog) -> None:
    """Begin anew where a trained generator is not what it was; one that is still to be trained goes on."""
    files = noted_files(task.folder / TRAINED, task.training_key)
    damaged = [] if files is None else damaged_files(task.folder, files)
    if damaged:
        log.write("damaged", file=str(task.folder / damaged[0]))
        mostly.begin_anew(home_of(task))
        remove(task.folder / TRAINED)


def take_up_training(task: GeneratorTask) -> None:
    """Bring home what an earlier training, elsewhere, left to go on from."""
    if is_remote(task.folder):
        _bring_home(task, task.folder / _TRAINING)


def keep_training(task: GeneratorTask) -> None:
    """Let others go on from what is there now."""
    if is_remote(task.folder):
        _pack(task, task.folder / _TRAINING)


def note_trained(task: GeneratorTask) -> None:
    """Let others sample."""
    if is_remote(task.folder):
        paths = [_pack(task, task.folder / _MODEL)]
        remove(task.folder / _TRAINING)
    else:
        paths = mostly.model_files(task.folder)
    files = {path.relative_to(task.folder).as_posix(): file_hash(path) for path in paths}
    write_json(task.folder / TRAINED, {"key": task.training_key, "files": files})


def trained_home(task: GeneratorTask) -> Path:
    """Where the trained generator is, for the engine."""
    if is_remote(task.folder):
        _bring_home(task, task.folder / _MODEL)
    return home_of(task)


def _of_training(task: GeneratorTask, name: str) -> Path:
    """Where there is nothing in the store: what one training has is not another's."""
    return task.folder / f"{name}-{task.training_key}"


def _pack(task: GeneratorTask, path: Path) -> Path:
    with whole_file(path) as work:
        mostly.pack(home_of(task), work)
    _note_home(task, path)
    return path


def _bring_home(task: GeneratorTask, path: Path) -> None:
    """Unpack a file, unless what is at home came from it or went into it."""
    if not is_file(path) or read_json(_home_note(task)) == [path.name, file_hash(path)]:
        return
    mostly.unpack(local(path), home_of(task))
    _note_home(task, path)


def _note_home(task: GeneratorTask, path: Path) -> None:
    write_json(_home_note(task), [path.name, file_hash(path)])


def _home_note(task: GeneratorTask) -> Path:
    return stand_in(_of_training(task, "told")) / "home.json"
