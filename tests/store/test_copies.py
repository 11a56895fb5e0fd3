"""Copies of a store's files: as new as the question, made once, gone in the end. And files that grow there."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from issodask.errors import AwayError, InputError
from issodask.host import patiently
from issodask.store.copies import copies_of, local, stand_in
from issodask.store.files import file_hash, read_json, whole_file, write_json
from issodask.store.logs import growing_file
from issodask.store.places import (
    create,
    found_in,
    is_file,
    is_folder,
    overwrite,
    read_bytes,
    remove,
    remove_tree,
)
from tests import stores

pytestmark = pytest.mark.slow

BUCKET = "copies"
store = stores.fixture(BUCKET)


@pytest.fixture(params=["here", "store"])
def folder(store, request, tmp_path):
    """A folder on this machine, and one in a store: what is asked of them is answered alike."""
    with stores.folder_of_test(store, request) as there:
        yield tmp_path / "run" if request.param == "here" else there


@pytest.fixture
def there(store, request):
    with stores.folder_of_test(store, request) as found:
        yield found


def write(path, data):
    with whole_file(path) as work:
        work.write_bytes(data)


def test_folder__is_asked_alike_wherever_it_lies(folder):
    path = folder / "a" / "00.json"
    assert (is_file(path), is_folder(folder / "a"), read_bytes(path), read_json(path)) == (False, False, None, None)
    assert found_in(folder / "a", "*.json") == []
    remove(path)
    remove_tree(folder / "a")
    write_json(path, {"b": 1})
    write(folder / "a" / "01.json", b"half {")
    assert (is_file(path), is_folder(folder / "a"), is_file(folder / "a")) == (True, True, False)
    assert read_json(path) == {"b": 1}
    assert read_json(folder / "a" / "01.json") is None
    assert [each.name for each in found_in(folder / "a", "*.json")] == ["00.json", "01.json"]
    assert (read_bytes(path, 2), read_bytes(path, 100)) == (path.read_bytes()[2:], b"")
    first = file_hash(path)
    write_json(path, {"b": 2})
    assert file_hash(path) != first
    write_json(path, {"b": 1})
    assert file_hash(path) == first
    remove_tree(folder / "a")
    assert (is_file(path), is_folder(folder / "a")) == (False, False)


def test_create__only_where_there_is_nothing(there):
    assert create(there / "one", b"1")
    assert not create(there / "one", b"2")
    assert read_bytes(there / "one") == b"1"
    overwrite(there / "one", b"3")
    assert read_bytes(there / "one") == b"3"


def test_local__a_file_of_this_machine_is_itself(tmp_path):
    assert local(tmp_path / "a.npy") == tmp_path / "a.npy"


def test_local__a_copy_is_as_new_as_the_question_and_made_once(there):
    write(there / "a.npy", b"first")
    first = local(there / "a.npy")
    assert (first.read_bytes(), first.suffix) == (b"first", ".npy")
    assert local(there / "a.npy") == first
    opened = first.open("rb")
    write(there / "a.npy", b"second")
    assert local(there / "a.npy").read_bytes() == b"second"
    assert opened.read() == b"first"
    opened.close()
    with pytest.raises(InputError, match=r"no such file or folder: s3://copies/.*b\.npy"):
        local(there / "b.npy")


def test_local__a_map_outlives_its_copy(there):
    with whole_file(there / "a.npy") as work, work.open("wb") as file:
        np.save(file, np.arange(5))
    with copies_of(there, lambda forget, root: forget(root)):
        array = np.load(local(there / "a.npy"), mmap_mode="r")
        held = stand_in(there / "home")
        assert held.is_dir()
    assert not held.exists()
    assert array.tolist() == [0, 1, 2, 3, 4]
    assert np.load(local(there / "a.npy")).tolist() == [0, 1, 2, 3, 4]


def test_copies__of_a_folder_here_nobody_is_asked(tmp_path):
    assert stand_in(tmp_path) == tmp_path
    with copies_of(tmp_path, lambda *_: pytest.fail("nothing was copied")):
        pass


def test_copies__of_another_run_are_kept(there):
    """A worker may serve two jobs at a time, and one of them ends first."""
    for name in ("run", "run-2"):
        write(there / name / "a.npy", b"codes")
    copy, home = local(there / "run-2" / "a.npy"), stand_in(there / "run-2" / "home")
    with copies_of(there / "run", lambda forget, root: forget(root)):
        gone = local(there / "run" / "a.npy")
    assert not gone.exists()
    assert copy.exists()
    assert home.is_dir()


def test_copies__go_with_their_process_and_those_of_a_killed_one_with_the_next(tmp_path):
    make = "from issodask.host import process_folder; print(process_folder(), flush=True)"

    def run(then):
        command = [sys.executable, "-c", f"{make}; {then}"]
        done = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
        assert done.stdout, done.stderr

    run("pass")
    assert list(tmp_path.iterdir()) == []
    run("import os; os._exit(1)")
    (left,) = tmp_path.iterdir()
    run("pass")
    assert not left.exists()


# files that grow


def test_growing_file__is_in_the_store_while_it_grows_and_in_the_end(there):
    path = there / "events.jsonl"
    overwrite(path, b"before\n")
    with growing_file(path, every_s=0.05) as here:
        assert here.read_bytes() == b"before\n"
        with here.open("ab") as file:
            file.write(b"one\n")
        deadline = time.monotonic() + 10
        while read_bytes(path) != b"before\none\n":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with here.open("ab") as file:
            file.write(b"two\n")
    assert read_bytes(path) == b"before\none\ntwo\n"
    assert not here.exists()


def test_growing_file__of_this_machine_is_itself(tmp_path):
    with growing_file(tmp_path / "events.jsonl") as here:
        assert here == tmp_path / "events.jsonl"


# patience


def test_patiently__asks_again_until_it_is_too_long(monkeypatch):
    monkeypatch.setenv("ISSODASK_STORE_PATIENCE_S", "1")
    answers = [AwayError("away"), AwayError("away"), "here"]

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask) == "here"

    def away():
        raise AwayError("away")

    began = time.monotonic()
    with pytest.raises(AwayError) as caught:
        patiently(away)
    assert caught.value.is_final
    took = time.monotonic() - began
    asked = []

    def ask_once():
        asked.append(1)
        raise caught.value

    with pytest.raises(AwayError):
        patiently(ask_once)
    assert (len(asked), took < 10) == (1, True), "who has waited does not make others wait"


def test_patiently__what_is_wrong_stays_wrong():
    asked = []

    def ask():
        asked.append(1)
        raise InputError("wrong")

    with pytest.raises(InputError):
        patiently(ask)
    assert len(asked) == 1
