"""Where a run leaves what it makes: each name is written once."""

import ast
from pathlib import Path

from issodask.store.run_folder import RunFolder, SearchFolder
from issodask.store.subset import lineage_path

PACKAGE = Path(__file__).parents[2] / "issodask"


def names_of(folder):
    """Names of all files and folders, by property."""
    kinds = {name: value for name, value in vars(type(folder)).items() if isinstance(value, property)}
    paths = {name: getattr(folder, name) for name in kinds}
    return {name: path.name for name, path in paths.items() if isinstance(path, Path)}


def test_run_folder__no_two_things_in_one_place():
    for folder in (RunFolder(Path("run")), SearchFolder(Path("run"))):
        places = [name for key, name in names_of(folder).items() if key not in ("path", "name")]
        assert len(set(places)) == len(places)


def test_run_folder__lineage_lies_where_it_is_written():
    folder = RunFolder(Path("run"))
    assert folder.lineage == lineage_path(folder.subset)


def test_run_folder__no_stage_writes_a_name_itself():
    known = {*names_of(RunFolder(Path("run"))).values(), *names_of(SearchFolder(Path("run"))).values()}
    files = {name for name in known if "." in name}
    assert {"events.jsonl", "state.npz"} <= files
    found = []
    for room in ("api", "cli", "stages", "store"):
        for path in (PACKAGE / room).rglob("*.py"):
            texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            found += [(path.name, name) for name in files & texts if path.name != "run_folder.py"]
    assert found == []
