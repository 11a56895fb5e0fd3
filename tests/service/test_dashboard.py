"""The dashboard's page: there on every cluster with a manager, with its jobs, and names of them harmless."""

import urllib.error
import urllib.request

import pytest
from bokeh.client import pull_session
from bokeh.models import Div, GlyphRenderer
from distributed import Client, LocalCluster

from issodask.config import load_job
from issodask.runtime.address import find_cluster
from issodask.service.client import Service, open_service
from issodask.service.dashboard import _Page
from issodask.service.jobs import Job, Jobs
from issodask.service.told import Told
from issodask.stages.submit import submit
from tests.clusters import ended, quick_job, write_inputs
from tests.test_progress import EVENTS

pytestmark = pytest.mark.slow


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def texts(document):
    return "\n".join(div.text for root in document.roots for div in root.select({"type": Div}))


def test_page__shows_a_job_and_its_search(home, tmp_path):
    write_inputs(tmp_path)
    with open_service(None) as service:
        id = submit(load_job(quick_job(tmp_path, "shown")), service, "shown")
    job = ended(id)
    dashboard = find_cluster(None).dashboard
    code, page = status(dashboard)
    assert code == 200
    assert 'href="issodask"' in page

    session = pull_session(url=dashboard)
    try:
        shown = texts(session.document)
        assert id in shown
        assert f"{job['accuracy']:.4%}" in shown
        sources = [
            plot.data_source.data for root in session.document.roots for plot in root.select({"type": GlyphRenderer})
        ]
        (search,) = [data for data in sources if "accuracy" in data]
        assert len(search["accuracy"]) > 2
        assert 0 <= min(search["seconds"]) < max(search["seconds"]) < 90
    finally:
        session.close()


def test_page__is_in_the_navigation_of_dasks_own(home):
    dashboard = find_cluster(None).dashboard
    code, page = status(dashboard.replace("/issodask", "/status"))
    assert code == 200
    assert 'href="issodask"' in page


def test_page__comes_with_the_first_client_to_any_cluster():
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as local,
        Client(local) as client,
    ):
        url = f"http://127.0.0.1:{local.scheduler.http_server.port}/issodask"
        assert status(url)[0] == 404
        assert Service(client).jobs() == []
        assert status(url)[0] == 200
        Service(client)
        assert status(url)[0] == 200


# what is drawn, without a server


def drawn(*jobs, events=()):
    """The page of these jobs; the events are those of the first."""
    known = Jobs()
    for job in jobs:
        known[job.id] = job
        known.told[job.id] = Told()
    for i, event in enumerate(events):
        known.told[jobs[0].id].hear({"time": 1_000.0 + i, **event})
    page = _Page(known)
    page._choice.value = jobs[0].id if jobs else ""
    page._update()
    return page


def shown(page):
    return "\n".join(div.text for div in (page._jobs, page._headline, page._stages))


def test_page__no_jobs_yet():
    assert "No jobs yet: <code>issodask submit JOB.toml</code>" in shown(drawn())


@pytest.mark.parametrize("state", ["queued", "running", "finished", "failed", "cancelled", "seen"])
def test_page__every_state_and_every_event(state):
    job = Job("a-1", "a", "/out", "", state, started=900.0, error="no such file" if state == "failed" else "")
    page = drawn(job, Job("b-2", "b", "/b", ""), events=EVENTS)
    text = shown(page)
    assert "a-1" in text
    assert "b-2" in text
    assert ("no such file" in text) == (state == "failed")
    assert ("runs elsewhere" if state == "seen" else state) in text
    assert "--rounds 5/10 repeats it" in text
    assert page._losses.data["name"][0] == "generator 0, validation"
    assert page._heat.data["temperature"] == [1e-6, 1e-6]
    assert all(len(set(map(len, source.data.values()))) == 1 for source in (page._losses, page._accuracy, page._heat))


@pytest.mark.parametrize("place", ["id", "name", "out", "error", "worker", "host"])
def test_page__names_are_text(place):
    """Whoever may submit a job may name it, but not write the page that others see."""
    job = Job(**{"id": "a-1", "name": "a", "out": "/out", "job_path": "", "error": "e", "worker": "w"})
    setattr(job, place, "<script>alert(1)</script>")
    assert "<script" not in shown(drawn(job))


def test_page__notes_are_text():
    bad = "<script>alert(1)</script>"
    events = [
        {"event": "encode", "n": 1, "of": 3, "part": bad, "rows": 5, "state": "new"},
        {"event": "selected", "out": "s", "accuracy": 0.75, "rounds": bad, "reason": bad},
        {"event": "generator", "index": 0, "phase": bad},
        {"event": "evaluate", "n": 0, "of": 1, "what": bad},
    ]
    text = shown(drawn(Job("a-1", "a", "/out", ""), events=events))
    assert "&lt;script&gt;" in text
    assert "<script" not in text
