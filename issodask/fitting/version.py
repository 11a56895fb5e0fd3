"""Which subset a search finds: raised whenever the same job may end in other units.

Checkpoints of another version start anew. `tests/stages/test_version.py` keeps what each version found.
"""

ALGORITHM = 15
