"""Where the work runs: in this thread, in threads, or on a Dask cluster; the results are the same bytes.

A runtime maps a function over small items (paths, blocks, lanes) and gives the results in the order of the items.
What all tasks of a map need (a residual, a layout) is shared once. Outside this room nothing knows Dask.
"""

from issodask.runtime.base import Runtime, is_abandoned, told
from issodask.runtime.opening import open_runtime

__all__ = ["Runtime", "is_abandoned", "open_runtime", "told"]
