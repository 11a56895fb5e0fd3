"""Where results lie that nobody gave a place: a temporary folder that goes with the object that holds it."""

import shutil
import tempfile
import weakref
from pathlib import Path

from issodask.store.places import folder_of_run
from issodask.store.run_folder import RunFolder


class Folder:
    """A folder: the given one, which stays, or one of its own, which goes with this object or with the process."""

    def __init__(self, given: str | Path | None = None) -> None:
        self.is_kept = given is not None
        self.path = Path(tempfile.mkdtemp(prefix="issodask-")) if given is None else folder_of_run(given)
        if not self.is_kept:
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    @property
    def files(self) -> RunFolder:
        """What lies in it, by name."""
        return RunFolder(self.path)
