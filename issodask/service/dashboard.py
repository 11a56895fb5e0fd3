"""The dashboard's page of issodask: all jobs, and of one of them stages, training curves and the search.

Drawn by Bokeh as Dask's own pages are, and in their navigation. It looks at the manager's jobs once a second.
"""

import html
import time
from typing import Any

from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import BasicTickFormatter, ColumnDataSource, NumeralTickFormatter
from bokeh.models.widgets import Div, Select
from bokeh.palettes import Category10
from bokeh.plotting import figure
from distributed.dashboard.components.scheduler import BOKEH_THEME, env
from distributed.dashboard.core import BokehApplication
from distributed.dashboard.scheduler import template_variables
from distributed.scheduler import Scheduler
from tornado.ioloop import IOLoop

from issodask.progress import Line, Progress, duration
from issodask.service.jobs import Job, Jobs

PATH = "issodask"

Columns = dict[str, Any]

_EVERY_MS = 1_000
_MOST_JOBS = 12
_COLOURS = Category10[10]
_STATES = {
    "running": "#1f77b4",
    "queued": "#888888",
    "finished": "#2ca02c",
    "failed": "#d62728",
    "cancelled": "#888888",
    "seen": "#1f77b4",
}
_STYLE = """
<style>
.iss { font: 14px/1.45 system-ui, sans-serif; color: #222 }
.iss table { border-collapse: collapse } .iss td, .iss th { padding: 3px 14px 3px 0; text-align: left }
.iss th { color: #777; font-weight: 500; border-bottom: 1px solid #ddd }
.iss .num { text-align: right; font-variant-numeric: tabular-nums }
.iss .bar { width: 170px; height: 9px; background: #e8e8e8; border-radius: 5px; overflow: hidden }
.iss .bar div { height: 100%; background: #1f77b4 }
.iss .big { font-size: 26px; font-weight: 600; font-variant-numeric: tabular-nums } .iss .dim { color: #777 }
.iss .error { color: #b00020; white-space: pre-wrap }
</style>
"""


def add_page(scheduler: Scheduler, jobs: Jobs) -> None:
    """Serve the page beside Dask's own, whether these run already or are about to."""
    pages = template_variables(scheduler)["pages"]
    if PATH not in pages:
        pages.insert(0, PATH)

    def document(server: Scheduler, extra: dict[str, Any], doc: Document) -> None:
        _Page(jobs).show(doc, extra)

    application = BokehApplication(
        {f"/{PATH}": document}, scheduler, prefix="", template_variables=template_variables(scheduler)
    )
    scheduler.http_application.add_application(application)
    application.initialize(IOLoop.current())
    application.start()


class _Page:
    """One browser's view."""

    def __init__(self, jobs: Jobs) -> None:
        self._known = jobs
        self._choice = Select(title="", options=[], width=330)
        self._jobs = Div(width=1180)
        self._headline = Div(width=330)
        self._stages = Div(width=700)
        self._losses = ColumnDataSource({"xs": [], "ys": [], "colour": [], "dash": [], "name": []})
        self._accuracy = ColumnDataSource({"seconds": [], "accuracy": [], "colour": []})
        self._heat = ColumnDataSource({"seconds": [], "temperature": [], "acceptance": []})

    def show(self, doc: Document, extra: dict[str, Any]) -> None:
        doc.title = "issodask"
        doc.template = env.get_template("simple.html")
        doc.template_variables.update(extra)
        doc.theme = BOKEH_THEME
        doc.add_root(
            column(
                self._jobs,
                row(column(self._choice, self._headline), self._stages),
                row(self._training_figure(), self._accuracy_figure()),
                row(self._temperature_figure(), self._acceptance_figure()),
                sizing_mode="fixed",
            )
        )
        self._update()
        doc.add_periodic_callback(self._update, _EVERY_MS)

    # figures

    def _training_figure(self) -> Any:
        plot = _plot("Training: loss by epoch (solid: validation, dashed: training)", "epoch", "loss")
        plot.multi_line(
            "xs", "ys", color="colour", line_dash="dash", line_width=2, legend_group="name", source=self._losses
        )
        plot.legend.visible = False
        return plot

    def _accuracy_figure(self) -> Any:
        plot = _plot("Search: accuracy of what is aimed at (orange: trimming, blue: refinement)", "seconds", "")
        plot.scatter("seconds", "accuracy", color="colour", size=5, source=self._accuracy)
        plot.yaxis.formatter = NumeralTickFormatter(format="0.00%")
        return plot

    def _temperature_figure(self) -> Any:
        plot = _plot("Refinement: temperature", "seconds", "")
        plot.line("seconds", "temperature", line_width=2, color=_COLOURS[3], source=self._heat)
        plot.yaxis.formatter = BasicTickFormatter(power_limit_low=-3, precision=1)
        return plot

    def _acceptance_figure(self) -> Any:
        plot = _plot("Refinement: swaps kept, share of the trials", "seconds", "")
        plot.line("seconds", "acceptance", line_width=2, color=_COLOURS[4], source=self._heat)
        plot.yaxis.formatter = NumeralTickFormatter(format="0.00%")
        return plot

    # what is shown

    def _update(self) -> None:
        jobs = sorted(self._known.values(), key=lambda job: -(job.started or job.submitted))
        self._jobs.text = _STYLE + _job_table([(job, self._known.progress_of(job)) for job in jobs[:_MOST_JOBS]])
        self._choice.options = [job.id for job in jobs]
        if jobs and self._choice.value not in self._choice.options:
            self._choice.value = jobs[0].id
        job = self._known.get(self._choice.value)
        if job is None:
            self._headline.text = self._stages.text = ""
            return
        progress = self._known.progress_of(job)
        self._headline.text = _STYLE + _headline(job, progress)
        self._stages.text = _STYLE + _stage_table(progress)
        self._losses.data = _losses(progress)
        self._accuracy.data, self._heat.data = _search(progress)


def _plot(title: str, x: str, y: str) -> Any:
    plot = figure(title=title, width=590, height=260, x_axis_label=x, y_axis_label=y, toolbar_location=None)
    plot.title.text_font_style = "normal"
    plot.outline_line_color = None
    plot.grid.grid_line_color = "#eeeeee"
    return plot


def _job_table(jobs: list[tuple[Job, Progress]]) -> str:
    if not jobs:
        return "<div class=iss>No jobs yet: <code>issodask submit JOB.toml</code></div>"
    rows = []
    for job, progress in jobs:
        end = job.ended or time.time()
        accuracy = job.accuracy or progress.accuracy
        cells = [
            f"<b>{_text(job.id)}</b>",
            f'<span style="color:{_STATES[job.state]}">{_shown_state(job)}</span>',
            _text("" if job.is_over else progress.stage),
            "" if job.is_over else _left(progress.seconds_left),
            duration(end - job.started) if job.started else "",
            f"{accuracy:.4%}" if accuracy else "",
            str(job.attempts or ""),
            f"<span class=dim>{_text(job.out)}</span>",
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = ("job", "state", "stage", "left", "took", "accuracy", "drivers", "folder")
    return (
        "<div class=iss><table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>" + "".join(rows)
    ) + "</table></div>"


def _shown_state(job: Job) -> str:
    if job.state == "seen":
        return "finished" if job.ended else "runs elsewhere"
    return job.state


def _headline(job: Job, progress: Progress) -> str:
    current = progress.curve.accuracy[-1] if progress.curve.accuracy else None
    lines = []
    accuracy = progress.accuracy or current
    if accuracy is not None:
        random = f"random rows of the pool: {progress.random_accuracy:.4%}" if progress.random_accuracy else ""
        against = "against the original" if progress.accuracy else "of what is aimed at, so far"
        lines.append(f"<div class=big>{accuracy:.4%}</div><div class=dim>accuracy {against}<br>{random}</div>")
    if progress.rounds:
        lines.append(f"<div class=dim>--rounds {_text(_shortened(progress.rounds))} repeats it</div>")
    if job.worker and not job.is_over:
        lines.append(f"<div class=dim>driven on {_text(job.worker)} ({_text(job.host)}, process {job.pid})</div>")
    if job.error:
        lines.append(f"<div class=error>{_text(job.error)}</div>")
    return f"<div class=iss>{''.join(lines)}</div>"


def _stage_table(progress: Progress) -> str:
    lines = dict(progress.stages)
    generate = {"generate": lines.pop("generate")} if "generate" in lines else {}
    generators = {f"· {name}": line for name, line in sorted(progress.generators.items())}
    rows = [_stage_row(name, line) for name, line in {**generate, **generators, **lines}.items()]
    heads = "<tr><th>stage</th><th></th><th class=num>done</th><th>left</th><th></th></tr>"
    return f"<div class=iss><table>{heads}{''.join(rows)}</table></div>"


def _stage_row(name: str, line: Line) -> str:
    bar = f'<div class=bar><div style="width:{100 * line.share:.0f}%"></div></div>'
    return (
        f"<tr><td>{_text(name)}</td><td>{bar}</td><td class=num>{line.share:.0%}</td>"
        f"<td>{_left(line.seconds_left)}</td><td class=dim>{_text(line.note)}</td></tr>"
    )


def _losses(progress: Progress) -> Columns:
    data: Columns = {"xs": [], "ys": [], "colour": [], "dash": [], "name": []}
    for index, training in sorted(progress.trainings.items()):
        for kind, ys, dash in (("validation", training.val_loss, "solid"), ("training", training.train_loss, "dashed")):
            points = [(x, y) for x, y in zip(training.epochs, ys, strict=True) if y is not None]
            data["xs"].append([x for x, _ in points])
            data["ys"].append([y for _, y in points])
            data["colour"].append(_COLOURS[index % len(_COLOURS)])
            data["dash"].append(dash)
            data["name"].append(f"generator {index}, {kind}")
    return data


def _search(progress: Progress) -> tuple[Columns, Columns]:
    curve = progress.curve
    start = curve.time[0] if curve.time else 0.0
    seconds = [at - start for at in curve.time]
    colours = [_COLOURS[1] if stage == "trim" else _COLOURS[0] for stage in curve.stage]
    heated = [i for i, temperature in enumerate(curve.temperature) if temperature is not None]
    heat: Columns = {
        "seconds": [seconds[i] for i in heated],
        "temperature": [curve.temperature[i] for i in heated],
        "acceptance": [curve.acceptance[i] for i in heated],
    }
    return {"seconds": seconds, "accuracy": list(curve.accuracy), "colour": colours}, heat


def _left(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _text(value: str) -> str:
    return html.escape(value)
