"""New ids for a synthetic table: in the type and shape of the original's, never one of them.

In: the profile of an id column of the original. Out: `NewIds`, which draws as many as a subset has rows (or groups,
where an id belongs to a group), unique where the original's are. They depend on the job's seed alone.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.errors import InputError
from issodask.table.anew import Anew
from issodask.table.roles import Profile


@dataclass(frozen=True)
class NewIds:
    """How the new ids of one column are drawn.

    of_group   all rows of a group have the same
    made_from  names all that they are made from: equal text, equal ids of a seed
    """

    name: str
    anew: Anew
    missing_share: float
    of_group: bool
    made_from: str

    @classmethod
    def of(cls, profile: Profile, limits: tuple[int, int], others: Profile | None = None) -> "NewIds":
        """`limits`: the lowest and highest whole number of the column's type; `others` has more values to avoid."""
        values, more = profile.values, None if others is None else others.values
        made_from = " ".join([profile.hash(), *map(str, limits), *([] if others is None else [others.hash()])])
        missing_share = profile.n_missing / (profile.n_missing + profile.n_values)
        if profile.kind == "text":
            avoided = [] if more is None else more.tolist()
            anew = Anew.of_texts(values.tolist(), profile.counts, profile.is_ascending, avoided)
        else:
            anew = Anew.of_whole_numbers(values, profile.counts, limits, profile.is_ascending, more)
        return cls(profile.name, anew, missing_share, profile.of_group, made_from)

    def draw(self, n: int, seed: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """`n` ids (texts, int64 or uint64), and which of them are missing: as large a share as in the original.

        Raises InputError when the column's type has too few.
        """
        self.check(n, seed)
        random = self._random(seed)
        values = self.anew.draw(n, random)
        is_missing = np.zeros(n, bool)
        is_missing[random.permutation(n)[: round(self.missing_share * n)]] = True
        return values, is_missing

    def check(self, n: int, seed: int) -> None:
        """Raises InputError when the column's type has too few for `n` ids, long before they are drawn."""
        try:
            self.anew.check(n, self._random(seed))
        except InputError as error:
            raise InputError(
                f"column {self.name!r} is an id of {error}: give it a wider type, or another role ([columns])"
            ) from error

    def _random(self, seed: int) -> np.random.Generator:
        return seeds.generator(seed, "ids", zlib.crc32(self.name.encode()))
