"""Receipts: valid for the same step with the same files, and for nothing else."""

import json

import pytest

from issodask.store.receipts import Receipt, key_of

FACTS = {"found": [1, 2.5, None], "name": "é"}


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "a.npy", tmp_path / "there" / "b.npy"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode() * 100)
    return paths


@pytest.fixture
def receipt(tmp_path, files):
    written = Receipt(tmp_path / "receipt.json", key_of("input", 3), files)
    written.write(FACTS)
    return written


def test_receipt__tells_what_the_step_found(receipt):
    assert receipt.is_valid()
    assert receipt.facts() == FACTS


def test_receipt__none_before_the_step_is_done(tmp_path):
    assert Receipt(tmp_path / "none.json", "key").facts() is None
    assert not Receipt(tmp_path / "none.json", "key").is_valid()


def test_receipt__of_a_step_that_leaves_and_finds_nothing(tmp_path):
    done = Receipt(tmp_path / "done.json", "key")
    done.write()
    assert done.is_valid()


def test_receipt__hashes_that_are_known_need_no_reading(receipt, files):
    hashes = [xxh3 for _, xxh3 in json.loads(receipt.path.read_text())["files"]]
    receipt.write(FACTS, hashes)
    assert receipt.is_valid()
    receipt.write(FACTS, hashes[::-1])
    assert not receipt.is_valid()


@pytest.mark.parametrize("key", [key_of("input", 4), key_of("input", "3"), ""])
def test_receipt__of_another_step_is_none(receipt, files, key):
    assert Receipt(receipt.path, key, files).facts() is None


def test_receipt__of_other_files_is_none(receipt, files, tmp_path):
    (tmp_path / "c.npy").write_bytes(files[0].read_bytes())
    assert not Receipt(receipt.path, receipt.key, files[:1]).is_valid()
    assert not Receipt(receipt.path, receipt.key, [tmp_path / "c.npy", files[1]]).is_valid()


@pytest.mark.parametrize("damage", ["remove", "truncate", "flip"])
def test_receipt__names_a_file_that_is_damaged(receipt, files, damage):
    data = bytearray(files[1].read_bytes())
    files[1].unlink()
    if damage != "remove":
        data[7] ^= 1
        files[1].write_bytes(data[:50] if damage == "truncate" else data)
    named = []
    assert receipt.facts(named.append) is None
    assert named == [files[1]]


def test_receipt__a_file_that_the_step_did_not_leave_must_not_appear(tmp_path):
    path = tmp_path / "maybe.html"
    done = Receipt(tmp_path / "done.json", "key", [path])
    done.write()
    assert done.is_valid()
    path.write_text("from elsewhere")
    assert not done.is_valid()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"key": 1}'])
def test_receipt__damaged_is_none(receipt, text):
    receipt.path.write_text(text)
    assert not receipt.is_valid()


def test_receipt__changed_facts_are_none(receipt):
    text = receipt.path.read_text(encoding="utf-8")
    receipt.path.write_text(text.replace("2.5", "3.5"), encoding="utf-8")
    assert receipt.facts() is None
