"""A generator in a dozen lines, for examples/callable.toml: a Gaussian copula.

It gives every column the values that it has in the original, and every pair the correlation of their ranks.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm


def draw(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Return `n` rows with the original's columns; the same seed gives the same rows."""
    rng = np.random.default_rng(seed)
    ranks = original.rank(na_option="bottom")
    scores = norm.ppf((ranks - 0.5) / len(original))
    correlations = pd.DataFrame(scores).corr().fillna(0).to_numpy(copy=True)
    np.fill_diagonal(correlations, 1)
    normal = rng.multivariate_normal(np.zeros(len(correlations)), correlations, n, check_valid="ignore")
    rows = (norm.cdf(normal) * len(original)).astype(int).clip(0, len(original) - 1)
    columns = {}
    for i_column, name in enumerate(original.columns):
        ordered = original[name].sort_values(ignore_index=True)
        columns[name] = ordered.take(rows[:, i_column]).reset_index(drop=True)
    return pd.DataFrame(columns)
