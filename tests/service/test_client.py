"""A Dask client of the user's own, and what the manager's client does when the manager is away."""

from types import SimpleNamespace

import pytest
from distributed import Client
from distributed.comm import CommClosedError

import issodask
from issodask.errors import InputError, LostError
from issodask.runtime.address import find_cluster
from issodask.service.client import Service, open_service
from tests.clusters import quick_job, results, write_inputs
from tests.tables import QUICK


@pytest.fixture
def client(home):
    found = find_cluster(None)
    with Client(found.scheduler, security=found.security, set_as_default=False) as client:
        yield client


def test_client__runs_a_job_to_the_bytes_of_a_serial_run(client, tmp_path):
    write_inputs(tmp_path)
    issodask.run(quick_job(tmp_path, "serial"), runtime="serial")
    issodask.run(quick_job(tmp_path, "mine"), runtime=client)
    assert results(tmp_path / "mine") == results(tmp_path / "serial")
    assert client.status == "running"
    seen = [job for job in Service(client).jobs() if job["out"] == str(tmp_path / "mine")]
    assert [(job["name"], job["state"], job["ended"] is not None) for job in seen] == [("mine", "seen", True)]


def test_client__selects_the_bytes_of_a_serial_run(client, tmp_path):
    write_inputs(tmp_path)
    places = str(tmp_path / "original.parquet"), str(tmp_path / "pool")
    issodask.select(*places, out=tmp_path / "serial.parquet", runtime="serial", **QUICK.model_dump())
    issodask.select(*places, out=tmp_path / "mine.parquet", runtime=client, **QUICK.model_dump())
    assert (tmp_path / "mine.parquet").read_bytes() == (tmp_path / "serial.parquet").read_bytes()
    assert client.status == "running"


def test_service__no_workers_yet(client, monkeypatch, tmp_path):
    service = Service(client)
    monkeypatch.setattr(client, "scheduler_info", lambda n_workers=None: {"workers": {}})
    monkeypatch.setattr(client, "run", lambda *arguments, **options: {})
    for ask in (
        lambda: service.make_folder(str(tmp_path / "out")),
        lambda: service.is_seen_by_all(str(tmp_path)),
        lambda: service.write(str(tmp_path / "a"), b""),
    ):
        with pytest.raises(InputError, match="the cluster has no workers yet: wait for them, or look at"):
            ask()


def test_make_folder__leaves_nothing_else_in_it(client, tmp_path):
    service = Service(client)
    service.make_folder(str(tmp_path / "a" / "b"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
    service.make_folder(str(tmp_path / "a" / "b"))


def test_make_folder__that_is_another_one_for_each_worker(client, tmp_path, monkeypatch):
    """Played by workers that do not see what another one wrote."""
    service = Service(client)
    workers = list(client.scheduler_info(n_workers=-1)["workers"])
    run = client.run

    def run_apart(function, *arguments, **options):
        answers = run(function, *arguments, **options)
        return answers | {workers[1]: None} if function.__name__ == "mark" else answers

    monkeypatch.setattr(client, "run", run_apart)
    with pytest.raises(
        InputError, match=r"is not one folder for all workers: .*storage that all hosts share"
    ) as caught:
        service.make_folder(str(tmp_path / "out"))
    assert workers[1] in str(caught.value)
    assert workers[0] not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_write_and_fetch__any_bytes(client, tmp_path, monkeypatch):
    monkeypatch.setattr("issodask.service.client._CHUNK_BYTES", 1_000)
    service, data = Service(client), bytes(range(256)) * 17
    service.write(str(tmp_path / "there" / "file"), b"old")
    service.write(str(tmp_path / "there" / "file"), data)
    service.fetch(str(tmp_path / "there" / "file"), tmp_path / "here")
    assert (tmp_path / "here").read_bytes() == data
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("id", "words"),
    [(None, "there are no jobs yet: hand one over with"), ("a-1", r"no job a-1 is known here: .*\(none\)")],
)
def test_job__when_there_are_none(home, monkeypatch, id, words):
    with open_service(None) as service:
        monkeypatch.setattr(service, "jobs", lambda: [])
        with pytest.raises(InputError, match=words):
            service.job(id)


def test_job__the_newest_by_default(home, monkeypatch):
    with open_service(None) as service:
        monkeypatch.setattr(service, "jobs", lambda: [{"id": "a-1"}, {"id": "b-2"}])
        assert service.job(None) == {"id": "b-2"}
        assert service.job("a-1") == {"id": "a-1"}


class Away:
    """A scheduler that does not answer the first `n` questions."""

    def __init__(self, n):
        self.n = n

    def register_plugin(self, plugin):
        pass

    @property
    def scheduler(self):
        return SimpleNamespace(issodask_events=None, issodask_jobs=None)

    def sync(self, function, **question):
        self.n -= 1
        if self.n >= 0:
            raise CommClosedError("stream is closed")
        return {"events": [{"event": "ipf"}], "n": 1, "state": "finished"}


def test_follow__waits_for_a_scheduler_that_starts_again(monkeypatch):
    monkeypatch.setattr("issodask.service.client._FOLLOW_S", 0)
    assert list(Service(Away(3)).follow("a-1", until_over=True)) == [{"event": "ipf"}]


def test_follow__gives_up_in_the_end(monkeypatch):
    monkeypatch.setattr("issodask.service.client._PATIENCE_S", 0)
    monkeypatch.setattr("issodask.service.client._FOLLOW_S", 0)
    with pytest.raises(LostError, match=r"the Dask scheduler does not answer \(stream is closed\): ask again"):
        list(Service(Away(9_999)).follow("a-1", until_over=True))


def test_jobs__does_not_wait():
    away = Away(9)
    with pytest.raises(LostError):
        Service(away).jobs()
    assert away.n == 8


def test_service__a_scheduler_without_issodask():
    class Bare:
        def register_plugin(self, plugin):
            raise ModuleNotFoundError("No module named 'issodask'")

    with pytest.raises(InputError, match=r"the scheduler can't import issodask \(No module .*: install it where"):
        Service(Bare())
