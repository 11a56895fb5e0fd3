"""`python -m issodask`: the command line; on a cluster, on a leash that ends with the worker that started it."""

import os

from issodask.cli import main
from issodask.runtime.base import LEASH_VARIABLE

if __name__ == "__main__":
    if os.environ.pop(LEASH_VARIABLE, None):
        from issodask.runtime.children import end_with_parent

        end_with_parent(lambda: os._exit(247))
    main()
