"""slurm.yaml makes scripts that bash and Slurm can read; slurm.py keeps a cluster up (a script stands in for Slurm)."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from distributed import Client

from issodask.runtime.address import find_cluster
from issodask.runtime.cluster import EXCLUSIVE
from issodask.service.certificates import make_keys
from tests.cluster.deployments import CLUSTER, job_scripts, slurm
from tests.clusters import wait_for

pytestmark = pytest.mark.slow

# What `sbatch --help` of Slurm 22.05 lists (https://slurm.schedmd.com/sbatch.html says what each does).
DOCUMENTED = """
-a --array -A --account --bb --bbf -b --begin --comment --cpu-freq -c --cpus-per-task -d --dependency --deadline
--delay-boot -D --chdir -e --error --export --export-file --get-user-env --gid --gres --gres-flags -H --hold
--ignore-pbs -i --input -J --job-name -k --no-kill -L --licenses -M --clusters --container -m --distribution
--mail-type --mail-user --mcs-label -n --ntasks --nice --no-requeue --ntasks-per-node -N --nodes -o --output -O
--overcommit -p --partition --parsable --power --priority --profile --propagate -q --qos -Q --quiet --reboot
--requeue -s --oversubscribe -S --core-spec --signal --spread-job --switches --thread-spec -t --time --time-min
--uid --use-min-nodes -v --verbose -W --wait --wckey --wrap --cluster-constraint --contiguous -C --constraint -F
--nodefile --mem --mincpus --reservation --tmp -w --nodelist -x --exclude --exclusive --mem-per-cpu
--sockets-per-node --cores-per-socket --threads-per-core --ntasks-per-core --ntasks-per-socket --cpus-per-gpu -G
--gpus --gpu-bind --gpu-freq --gpus-per-node --gpus-per-socket --gpus-per-task --mem-per-gpu
"""

SBATCH = """#!/bin/bash
# The job runs at once, here; its number is that of its process group.
cp "$1" "$SLURM_STAND_IN/$$.sh"
setsid bash "$SLURM_STAND_IN/$$.sh" </dev/null >>"$SLURM_STAND_IN/jobs.log" 2>&1 &
echo $! >>"$SLURM_STAND_IN/jobs"
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/bash
kill -TERM -- "-$1"
"""


def options_of(script):
    """The names of the options in the #SBATCH lines."""
    lines = [line.split()[1] for line in script.splitlines() if line.startswith("#SBATCH ")]
    return {option.split("=")[0] for option in lines}


def bash_reads(script):
    return subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("name", job_scripts())
def test_script__bash_reads_it(name):
    script = job_scripts()[name]
    assert bash_reads(script)
    assert not bash_reads(script + "\nif true; then")


@pytest.mark.parametrize("name", job_scripts())
def test_script__slurm_documents_its_options(name):
    options = options_of(job_scripts()[name])
    assert {"-J", "-o", "-n", "--cpus-per-task", "--mem", "-t"} <= options
    assert options <= set(DOCUMENTED.split())


def test_script__an_option_that_slurm_lacks_is_found():
    assert options_of("#SBATCH --gpu=1\n#SBATCH -t 08:00:00") - set(DOCUMENTED.split()) == {"--gpu"}


def test_script__asks_for_a_gpu_where_it_should():
    scripts = job_scripts()
    assert "#SBATCH --gpus=1" in scripts["gpu-0"]
    assert "gpus" not in scripts["cpu-0"]


@pytest.mark.parametrize(
    ("place", "where"), [((), "mine.yaml"), (("workers",), "workers"), (("jobqueue", "gpu"), "jobqueue.gpu")]
)
def test_load__a_misspelt_key_is_refused(tmp_path, place, where):
    settings = yaml.safe_load((CLUSTER / "slurm.yaml").read_text())
    section = settings
    for step in place:
        section = section[step]
    section["walltme"] = 1
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match=f"{where} has no walltme"):
        slurm.load(path)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A folder that has `sbatch` and `scancel`, and in `jobs` the number of each job; none outlives the test."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(tmp_path))
    yield tmp_path
    for number in _submitted(tmp_path):
        with suppress(ProcessLookupError):
            os.killpg(number, signal.SIGKILL)


def _submitted(folder: Path) -> list[int]:
    jobs = folder / "jobs"
    return [int(line) for line in jobs.read_text().split()] if jobs.exists() else []


def _is_alive(number: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(number, 0)
        return True
    return False


def _settings(folder: Path, **workers: int) -> Path:
    settings = yaml.safe_load((CLUSTER / "slurm.yaml").read_text())
    settings["workers"] = workers
    settings["scheduler"] |= {"port": 0, "dashboard-address": "127.0.0.1:0"}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_cluster__is_there_from_up_to_down(stand_in):
    make_keys(stand_in / "keys")
    command = [sys.executable, CLUSTER / "slurm.py", _settings(stand_in, cpu=1, gpu=1)]
    with subprocess.Popen(
        command, cwd=stand_in, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            note = stand_in / "slurm.json"
            wait_for(lambda: note.exists() or process.poll() is not None)
            found = find_cluster(str(note))
            with Client(found.scheduler, security=found.security, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=180)
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
            assert {worker["name"] for worker in workers} == {"cpu-0", "gpu-0"}
            assert all(worker["resources"] == {EXCLUSIVE: 1} for worker in workers)
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert not note.exists()
    assert len(_submitted(stand_in)) == 2
    wait_for(lambda: not any(map(_is_alive, _submitted(stand_in))))


def test_cluster__a_job_that_slurm_refuses_is_one_message(stand_in):
    make_keys(stand_in / "keys")
    (stand_in / "sbatch").write_text("#!/bin/bash\necho 'invalid partition specified: nope' >&2; exit 1\n")
    command = [sys.executable, CLUSTER / "slurm.py", _settings(stand_in, cpu=1)]
    ended = subprocess.run(command, cwd=stand_in, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "invalid partition specified: nope" in ended.stderr
    assert "Traceback" not in ended.stderr
