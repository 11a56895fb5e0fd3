"""The pictures of the concepts show what the program does now."""

import pytest

from tests.docs.pictures import PICTURES, draw_all


@pytest.mark.slow
def test_pictures__are_those_that_are_committed(tmp_path):
    drawn = draw_all(tmp_path)
    assert len(drawn) == 3
    changed = [path.name for path in drawn if path.read_bytes() != (PICTURES / path.name).read_bytes()]
    assert changed == [], "draw them again: python -m tests.docs pictures"
