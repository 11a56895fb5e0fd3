"""From values to codes, a column at a time: how many ascending edges a value has reached says which bin it is in.

Counting compares a value with every edge, without a branch; for a dozen edges that is faster than a binary search,
whose branches nobody can foresee.
"""

from issodask.kernels.jit import kernel

NO_TIME = -(2**63)
"""What stands for a missing point in time: NumPy's NaT."""


# n = rows, k = edges, t = distinct texts


@kernel
def bin_numbers(values, edges, codes, missing, out):
    """Code float64 values (n,) by ascending `edges` (k,); `codes` (k + 1,) are those of 0, ..., k edges reached.

    NaN gets the code `missing`. Writes uint8 to `out` (n,), which may be a column of a larger array.
    """
    for i in range(len(values)):
        value = values[i]
        reached = 0
        for edge in edges:
            reached += value >= edge
        out[i] = missing if value != value else codes[reached]


@kernel
def bin_times(ticks, edges, codes, missing, out):
    """Code int64 ticks (n,) as `bin_numbers` does; NO_TIME gets the code `missing`."""
    for i in range(len(ticks)):
        tick = ticks[i]
        reached = 0
        for edge in edges:
            reached += tick >= edge
        out[i] = missing if tick == NO_TIME else codes[reached]


@kernel
def code_texts(places, codes, out):
    """Code int32 places (n,) of texts by the code of each text, `codes` (t + 1,), whose last one is of place -1."""
    last = len(codes) - 1
    for i in range(len(places)):
        place = places[i]
        out[i] = codes[place if place >= 0 else last]


@kernel
def count_codes(codes, counts):
    """Add to `counts` (d, 256) how often each code occurs in each column of `codes` (n, d)."""
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            counts[j, codes[i, j]] += 1
