"""Locks: one at a time holds them, also in a store, where a holder that died is followed by one of those who wait."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from issodask.errors import InputError, LostError
from issodask.store import locks
from issodask.store.files import sole_writer
from issodask.store.locks import Lease, lock_of
from issodask.store.places import overwrite, read_bytes
from tests import clusters, stores

pytestmark = pytest.mark.slow

BUCKET = "locks"
store = stores.fixture(BUCKET)


@pytest.fixture
def path(store, request):
    with stores.folder_of_test(store, request, **stores.IMPATIENT) as folder:
        yield folder / ".lock"


def patiently_taken(lease):
    deadline = time.monotonic() + 20
    while not lease.take():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_lock__of_a_file(tmp_path):
    first, second = lock_of(tmp_path / ".lock"), lock_of(tmp_path / ".lock")
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_lease__one_holds_it(path):
    first, second = Lease(path), Lease(path)
    assert first.take()
    assert not second.take()
    assert "process" in second.holder()
    first.release()
    assert read_bytes(path) is None
    assert second.take()
    first.release()  # of what it does not hold
    assert not first.take()
    second.release()


def test_lease__one_of_many_gets_it(path):
    leases = [Lease(path) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(Lease.take, leases)) == 1
    for lease in leases:
        lease.release()


def test_lease__a_holder_that_lives_keeps_it(path):
    holder, other = Lease(path, lease_s=0.6), Lease(path, lease_s=0.6)
    assert holder.take()
    ends = time.monotonic() + 2.5
    while time.monotonic() < ends:
        assert not other.take()
        time.sleep(0.05)
    holder.release()
    assert other.take()
    other.release()


def test_lease__of_those_who_wait_for_a_dead_holder_one_gets_it(path):
    dead = Lease(path, lease_s=3.0)
    assert dead.take()
    dead._ends.set()  # it gives no sign of life from now on
    leases = [Lease(path, lease_s=3.0) for _ in range(4)]
    held, most = [], []

    def work(lease):
        patiently_taken(lease)
        held.append(lease)
        most.append(len(held))
        time.sleep(0.2)
        held.remove(lease)
        lease.release()

    threads = [threading.Thread(target=work, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_lease__who_was_taken_for_dead_knows(path):
    first = Lease(path, lease_s=0.6)
    assert first.take()
    overwrite(path, b'{"id": "another", "n": 0, "who": "process 1 on elsewhere"}')
    deadline = time.monotonic() + 10
    while not first.is_lost:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.release()
    assert b"another" in (read_bytes(path) or b""), "it leaves the other's alone"


def test_lease__a_store_that_is_away_takes_it_from_nobody(store, path, monkeypatch):
    monkeypatch.setenv("ISSODASK_STORE_PATIENCE_S", "0.1")
    holder, other = Lease(path, lease_s=3.0), Lease(path, lease_s=3.0)
    assert holder.take()
    assert not other.take()
    store.shut()
    try:
        with pytest.raises(InputError, match="can't"):
            other.take()
    finally:
        store.open()
    time.sleep(1)
    assert not other.take()
    assert not holder.is_lost
    holder.release()


def test_lease__is_not_lost_by_a_look_that_fails_once(path, monkeypatch):
    lease, looks = Lease(path, lease_s=0.3), []

    def read(asked):
        looks.append(asked)
        return {} if len(looks) == 1 else found(asked)

    assert lease.take()
    found = locks._read
    monkeypatch.setattr(locks, "_read", read)
    clusters.wait_for(lambda: len(looks) >= 4, 10)
    assert not lease.is_lost
    assert not Lease(path).take()
    lease.release()


def test_sole_writer__in_a_store(path):
    folder = path.parent
    told = r"another run works in s3://locks/.*\(process \d+ on .*\): wait for it"
    with sole_writer(folder, 0.5), pytest.raises(InputError, match=told):
        sole_writer(folder, 0.5).__enter__()
    writer = sole_writer(folder, 0.5)
    writer.__enter__()
    overwrite(path, b'{"id": "another"}')
    time.sleep(0.5)
    with pytest.raises(LostError, match="another works in"):
        writer.__exit__(None, None, None)
    assert read_bytes(path) == b'{"id": "another"}'
