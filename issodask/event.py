"""What an event is: what a run tells, with the progress or the lines that it shows. `events.py` has all kinds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Step:
    """How far a stage is: so much is `done`, of so much (None where nobody knows), and a note on it.

    `is_open` says that it may end long before all is done, as a training does that stops early.
    """

    stage: str
    done: float
    of: float | None
    note: str
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened; `time` in seconds since 1970 is set when it is told."""

    KIND: ClassVar[str] = ""
    time: float = 0.0

    def step(self) -> Step | None:
        """The progress that it tells of."""
        return None

    def said(self) -> tuple[str, ...]:
        """Lines that a user should read once."""
        return ()

    def record(self) -> dict[str, Any]:
        """As JSON values; what is None is left out."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {"time": values.pop("time"), "event": self.KIND, **values}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """From what `record` gave, less what is not known here. Raises TypeError if something is missing."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})
