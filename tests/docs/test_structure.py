"""The structure keeps its bars, and what measures it sees what breaks them."""

import pytest

from tests.docs.structure import ROOT, House, at_commit, details, measures, table

LAYERS = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["cli", "stages | display", "table"]
"""
LONGEST_FILE, LARGEST_ROOM = 350, 1 / 5


@pytest.fixture(scope="module")
def house():
    return House.read(ROOT)


@pytest.fixture
def made(tmp_path):
    """Make a house of these files."""

    def make(files):
        (tmp_path / "pyproject.toml").write_text(LAYERS)
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "issodask" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return House.read(tmp_path)

    return make


def test_house__no_file_is_too_long(house):
    assert {name: each.n_lines for name, each in house.modules.items() if each.n_lines > LONGEST_FILE} == {}


def test_house__no_room_is_too_large(house):
    n_lines = sum(house.room_lines.values())
    assert {room: lines for room, lines in house.room_lines.items() if lines > LARGEST_ROOM * n_lines} == {}


def test_house__no_import_goes_up(house):
    assert house.upward == set()


def test_house__no_imports_go_in_a_circle(house):
    assert house.circles == []


@pytest.mark.parametrize(
    "late", ["import issodask.table.a", "from issodask.table import a", "from issodask.table.a import x"]
)
def test_circles__late_imports_count(made, late):
    house = made({"table/a.py": "from issodask.table.b import f\nx = 1", "table/b.py": f"def f():\n    {late}"})
    assert house.circles == [("issodask.table.a", "issodask.table.b")]


def test_upward__a_room_beside_counts(made):
    house = made(
        {
            "cli.py": "from issodask import stages",
            "stages.py": "from issodask import display",
            "display.py": "",
            "table.py": "from issodask import cli",
        }
    )
    assert house.upward == {("issodask.stages", "issodask.display"), ("issodask.table", "issodask.cli")}
    assert house.circles == []


def test_crowded__self_does_not_count(made):
    text = "class A:\n    def {0}(self, a, b, c, d, e, f, g, *{1}): pass"
    house = made(
        {
            "stages.py": text.format("seven", "more"),
            "cli.py": text.format("eight", ", h"),
            "kernels/loops.py": text.format("loop", ", h"),
        }
    )
    assert house.crowded == [("issodask.cli", "eight", 8)]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no commits here")
def test_measures__of_a_commit_beside_today():
    with at_commit("HEAD") as folder:
        before = House.read(folder)
    assert measures(before).keys() == measures(House.read(ROOT)).keys()
    assert "| lines |" in table({"before": before})


def test_details__name_what_is_wrong(made):
    house = made({"table.py": "from issodask import cli", "cli.py": "from issodask import table"})
    assert list(details(house)) == ["circle    cli table", "upward    table -> cli"]
