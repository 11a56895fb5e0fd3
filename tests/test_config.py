"""Job files: read, checked, never changed."""

import pytest
from pydantic import ValidationError

from issodask.config import GenerateConfig, JobConfig, OriginalConfig, SelectConfig, job_of, load_job
from issodask.errors import InputError
from issodask.validation import validated

SMALLEST = 'out = "runs/one"\n[original]\npath = "people.parquet"\n'


@pytest.fixture
def job_file(tmp_path):
    def write(text):
        path = tmp_path / "job.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def message_of(path):
    with pytest.raises(InputError) as caught:
        load_job(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load_job__defaults_of_all_that_is_not_said(job_file):
    job = load_job(job_file(SMALLEST))
    assert (job.out, job.seed, job.original.path) == ("runs/one", 1, "people.parquet")
    assert job.generate == GenerateConfig()
    assert job.select == SelectConfig()


def test_load_job__every_section(job_file):
    text = SMALLEST + "holdout_share = 0.2\n[generate]\ngenerators = 3\n[select]\nunits = 50\nrounds = '3/9'\n"
    job = load_job(job_file(text + "[evaluate]\nqa_report = true\n[runtime]\nworkers = 2\nscheduler = 'serial'\n"))
    assert (job.original.holdout_share, job.generate.generators, job.select.units) == (0.2, 3, 50)
    assert (job.select.rounds, job.evaluate.qa_report, job.runtime.workers) == ("3/9", True, 2)


def test_load_job__is_never_changed(job_file):
    job = load_job(job_file(SMALLEST))
    with pytest.raises(ValidationError):
        job.seed = 2
    with pytest.raises(ValidationError):
        job.select.units = 3


def test_load_job__written_and_read_again_is_the_same(job_file):
    job = load_job(job_file(SMALLEST + "[select]\neffort = 7\n"))
    assert validated(JobConfig, job.model_dump(), "again") == job


def test_load_job__missing_file(tmp_path):
    assert message_of(tmp_path / "none.toml").startswith(f"no job file at {tmp_path / 'none.toml'}: give the path")


def test_load_job__folder(tmp_path):
    assert "no job file" in message_of(tmp_path)


@pytest.mark.parametrize("text", ["out = ", "out = 'a'\nout = 'b'", "\ufeff["], ids=["cut off", "twice", "mark"])
def test_load_job__not_toml(job_file, text):
    assert "is not valid TOML" in message_of(job_file(text))


def test_load_job__other_encoding(tmp_path):
    path = tmp_path / "job.toml"
    path.write_bytes("out = 'größe'".encode("latin-1"))
    assert "is not valid TOML" in message_of(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SMALLEST + "[select]\nunitz = 5\n", "unknown key [select] unitz: did you mean units?"),
        (SMALLEST + "[selct]\nunits = 5\n", "unknown key selct: did you mean select?"),
        ("sed = 1\n" + SMALLEST, "unknown key sed: did you mean seed?"),
        ("[original]\npath = 'x'\n", "key out is missing: add it"),
        ("out = 'x'\n", "key original is missing"),
        ("out = 'x'\n[original]\n", "key [original] path is missing"),
        (SMALLEST + "[select]\nunits = 0\n", "[select] units is 0, but input should be greater than 0"),
        (SMALLEST + "[select]\nunits = 'many'\n", "[select] units is 'many', but input should be a valid integer"),
        (
            SMALLEST + "[select]\noversize = 0.5\n",
            "[select] oversize is 0.5, but input should be greater than or equal",
        ),
        (SMALLEST + "[generate]\ndevice = 'tpu'\n", "[generate] device is 'tpu', but input should be 'auto', 'cpu'"),
        (SMALLEST + "holdout_share = 1.0\n", "[original] holdout_share is 1.0, but input should be less than 1"),
        (SMALLEST + "holdout_share = 0.1\nholdout = 'h.csv'\n", "give holdout or holdout_share, not both"),
        ("seed = -1\n" + SMALLEST, "seed is -1, but input should be greater than or equal to 0"),
    ],
)
def test_load_job__says_what_is_wrong_and_where(job_file, text, expected):
    path = job_file(text)
    message = message_of(path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_load_job__names_every_fault_at_once(job_file):
    message = message_of(job_file("[original]\npath = 'x'\n[select]\nunitz = 1\nlanes = 0\n"))
    assert message.count("; ") == 2


def test_validated__takes_keyword_arguments():
    assert validated(OriginalConfig, {"path": "x.csv"}, "call").holdout is None
    with pytest.raises(InputError, match=r"^call: .*unknown key pth"):
        validated(OriginalConfig, {"pth": "x.csv"}, "call")


def test_load_job__roles_of_columns(job_file):
    job = load_job(job_file(SMALLEST + '[columns]\ncustomer_id = "id"\nnote = "text"\n'))
    assert job.columns == {"customer_id": "id", "note": "text"}
    assert "[columns] note" in message_of(job_file(SMALLEST + "[columns]\nnote = 3\n"))


def test_job_of__changes_settings_of_a_section_and_keeps_a_callable(job_file):
    def draw(original, n, seed):
        raise NotImplementedError

    from_file = job_of(job_file(SMALLEST + "[select]\nunits = 5\nlanes = 7\n"), {"select": {"units": 6}})
    assert (from_file.select.units, from_file.select.lanes) == (6, 7)
    job = job_of(from_file, {"generate": {"source": draw}})
    assert job_of(job, {"out": "there"}).generate.source is draw
    assert job.model_dump()["generate"]["source"].startswith("python:tests.test_config:")
    with pytest.raises(InputError, match=r"^job: unknown key \[generate\] unit: did you mean units\?"):
        job_of(job, {"generate": {"unit": 5}})
