"""The loops: plain arrays in, preallocated arrays out, compiled by numba; serial, since blocks give the parallelism.

Axes, everywhere: u = units, d = columns, m = cells of all cliques, k = cliques of one arity.
"""
