"""Which columns lift a DCR share.

In: the rows whose distances were measured. Out: `Drivers`. A column is looked at by itself first, in the dimensions
that mostlyai-qa gives it: how many of the subset's values lie nearer to one of the original than to one of the holdout.
Half of them do where nothing was learnt by heart, and nearly all of a column of case numbers that was. What the columns
that stand out do together is measured then: the DCR share without them. (Leaving out each column in turn takes as many
searches in all dimensions as there are columns, and finds nothing where two columns give away the same.)
"""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.report.privacy import Privacy, measure_privacy
from issodask.report.qa import qa_session, with_own_rare

STANDARD_ERRORS = 3
LEAST_PART = 0.25  # of what the first column is above one half
MAX_ROWS = 2_000  # for the share without them, whose time grows with the square

Dimensions = NDArray[np.float64]


@dataclass(frozen=True)
class Drivers:
    """What a notable DCR share comes from.

    columns        those that stand out, the first ones first: share of the subset's values nearer to the original
    share_without  the DCR share when they are left out; None where none, or all do
    """

    columns: dict[str, float]
    share_without: float | None


def find_drivers(
    original: pd.DataFrame, subset: pd.DataFrame, holdout: pd.DataFrame | None, privacy: Privacy | None, *, seed: int
) -> Drivers | None:
    """The columns behind the share of `privacy`; None where there is none, or where chance explains it."""
    if holdout is None or privacy is None or not privacy.is_notable:
        return None
    tables = (original, subset, holdout)
    drawn = [
        with_own_rare(table).sample(privacy.n_rows, random_state=seeds.generator(seed, "drivers")) for table in tables
    ]
    shares = {name: nearer_share(*dimensions) for name, dimensions in _by_column(drawn, seed).items()}
    least = max(STANDARD_ERRORS * sqrt(0.25 / privacy.n_rows), LEAST_PART * (max(shares.values()) - 0.5))
    found = {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > 0.5 + least}
    if not 0 < len(found) < len(shares):
        return Drivers(found, None)
    rest = [table.drop(columns=list(found)) for table in tables]
    without = measure_privacy(*rest, max_rows=min(privacy.n_rows, MAX_ROWS), seed=seed)
    return Drivers(found, without.dcr_share if without else None)


def nearer_share(original: Dimensions, subset: Dimensions, holdout: Dimensions) -> float:
    """Share of the subset's rows that are nearer to a row of the original than of the holdout; ties count half.

    All three: float64, (rows, dimensions).
    """
    from scipy.spatial import KDTree

    values, place = np.unique(subset, axis=0, return_inverse=True)
    to_original, to_holdout = (KDTree(np.unique(known, axis=0)).query(values)[0] for known in (original, holdout))
    nearer = np.sign(to_holdout - to_original)
    return float(0.5 + nearer[place.ravel()].mean() / 2)


def _by_column(tables: list[pd.DataFrame], seed: int) -> dict[str, tuple[Dimensions, ...]]:
    """What mostlyai-qa makes of each column of original, subset and holdout.

    Source: mostlyai-qa, prepare_data_for_embeddings and encode_data, without the scaling of whole rows.
    """
    with qa_session(seed):
        from mostlyai.qa._embeddings import encode_numerics, encode_strings
        from mostlyai.qa._sampling import harmonize_dtype

        original, subset, holdout = (table.apply(harmonize_dtype) for table in tables)
        is_number = [
            pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_datetime64_dtype(dtype) for dtype in original.dtypes
        ]
        numbers, texts = original.columns[is_number], original.columns[np.invert(is_number)]
        coded = [encode_numerics(subset[[name]], original[[name]], holdout[[name]]) for name in numbers]
        of_texts = encode_strings(subset[texts], original[texts], holdout[texts])
    firsts = [i for i, name in enumerate(of_texts[0].columns) if str(name).endswith(" - PCA 1")]
    for first, last in pairwise([*firsts, of_texts[0].shape[1]]):
        coded.append(tuple(table.iloc[:, first:last] for table in of_texts))
    return {
        name: tuple(np.nan_to_num(table.to_numpy(np.float64)) for table in (known, values, unseen))
        for name, (values, known, unseen) in zip([*numbers, *texts], coded, strict=True)
    }
