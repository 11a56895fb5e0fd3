"""The command line: the stages' verbs, jobs on a cluster, and a cluster on this host."""

import click

from issodask.cli import comparing, hosts, jobs, verbs


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="issodask")
def main() -> None:
    """Synthetic tables you can trust: select the best subset of a large synthetic pool."""


for _command in (
    *(verbs.run, verbs.generate, verbs.select, verbs.evaluate, verbs.impute, verbs.plan),
    *(comparing.compare, comparing.benchmark),
    *(jobs.submit, jobs.status, jobs.logs, jobs.cancel, jobs.result),
    hosts.cluster,
):
    main.add_command(_command)
