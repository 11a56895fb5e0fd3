"""Other synthesizers, known by name: each learns a table and draws rows, as issodask/protocols.py says.

`registry.py` turns a name and its settings into one. They are what a pool is compared with, or made of.
"""

from issodask.models.synthesizers.registry import names, synthesizer

__all__ = ["names", "synthesizer"]
