"""metrics.json: mostlyai-qa's ModelMetrics by its own names, and all other facts under the one extra key `issodask`.

In: `Findings`. Out: a JSON-able dict. `ModelMetrics.model_validate_json` of mostlyai-qa reads the file as it is.
"""

import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from issodask.report.accuracy import LEVELS, Accuracy
from issodask.report.apart import ToldApart
from issodask.report.attack import Membership, Separation
from issodask.report.copies import Copies
from issodask.report.findings import Findings
from issodask.report.qa import qa_session
from issodask.report.verdicts import verdicts

PACKAGES = ("issodask", "mostlyai-engine", "mostlyai-qa", "dask", "numba", "numpy", "pandas", "pyarrow", "torch")
MAX_HISTORY = 500


def metrics_record(findings: Findings, similarity: Any | None = None) -> dict[str, Any]:
    """Everything that metrics.json says.

    `accuracy` has the reference that mostlyai-qa's report would have: the original, together with the holdout when
    there is one. `similarity` is mostlyai-qa's Similarity from its own report, or None.
    """
    with qa_session(0):
        from mostlyai.qa import metrics as qa

        model_metrics = qa.ModelMetrics(
            accuracy=qa.Accuracy(**accuracy_numbers(findings.reported)),
            similarity=similarity,
            distances=qa.Distances(**findings.privacy.metrics()) if findings.privacy else None,
        )
    return {**model_metrics.model_dump(), "issodask": _own_facts(findings)}


def accuracy_numbers(accuracy: Accuracy) -> dict[str, float | None]:
    """The means of an Accuracy, by mostlyai-qa's field names."""
    names = [*LEVELS, *(f"{level}_max" for level in LEVELS)]
    return {name: getattr(accuracy, name) for name in names}


def to_json(record: dict[str, Any]) -> str:
    """Strict, readable JSON (no NaN; numpy scalars as numbers; anything else by its text)."""
    return json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the result; those that are absent are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _own_facts(findings: Findings) -> dict[str, Any]:
    return {
        "seed": findings.seed,
        "versions": findings.versions,
        "rows": findings.n_rows,
        "groups": findings.groups.n_groups if findings.groups else None,
        "columns": len(findings.columns),
        "roles": findings.roles.get("roles", {}),
        "left_out": findings.roles.get("left_out", []),
        "accuracy": {
            "against_original": _by_table(findings.against_original),
            "against_holdout": _by_table(findings.against_holdout),
            "against_original_and_holdout": _by_table(
                {"subset": findings.against_both} if findings.against_both else {}
            ),
        },
        "distances": {
            "rows": findings.privacy.n_rows if findings.privacy else None,
            "dcr_share_drivers": asdict(findings.drivers) if findings.drivers else None,
            "dcr_share_of_pool_sample": findings.pool_privacy.dcr_share if findings.pool_privacy else None,
            "identical_to_an_original_row": _shares(findings.copies),
            "identical_to_an_original_group": _shares(findings.groups.copies) if findings.groups else None,
            "copies": findings.copies_of_units["subset"].to_dict(findings.unit),
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(findings)],
        "attack": None if findings.attack is None else _attacked(findings.attack),
        "risks": [asdict(risk) for risk in findings.risks],
        "use": [asdict(prediction) for prediction in findings.use],
        "told_apart": None if findings.told_apart is None else _told_apart(findings.told_apart),
        "objective": [
            {"seconds": round(point.seconds, 3), "stage": point.stage, "objective": point.objective}
            for point in thinned(findings.history, MAX_HISTORY)
        ],
        "select": {} if findings.facts is None else findings.facts.to_dict(),
    }


def _attacked(attack: Membership) -> dict[str, Any]:
    """By table and method; errors are standard errors."""
    sizes = {"members": attack.n_members, "outsiders": attack.n_outsiders, "cliques": attack.n_cliques}
    found = {
        table: {
            method: {
                **_separated(one.everybody),
                "unusual_tenth": _separated(one.unusual),
                **{f"tpr_at_fpr_{rate:g}": share for rate, share in one.rates.items()},
            }
            for method, one in by_method.items()
        }
        for table, by_method in attack.attacks.items()
    }
    return {"unit": attack.unit, **sizes, "of_cliques": attack.n_all_cliques, "by_table": found}


def _told_apart(told: ToldApart) -> dict[str, Any]:
    by_table = {table: _separated(one) for table, one in told.by_table.items()}
    return {"reference": told.reference, "by_table": by_table, "given_away_by": told.given_away_by}


def _separated(separation: Separation) -> dict[str, float]:
    return {"auc": separation.auc, "error": separation.error}


def _shares(copies: dict[str, Copies]) -> dict[str, float]:
    return {table: found.share for table, found in copies.items()}


def _by_table(accuracies: dict[str, Accuracy]) -> dict[str, dict[str, Any]]:
    return {table: {**accuracy_numbers(accuracy), **_of_draws(accuracy)} for table, accuracy in accuracies.items()}


def _of_draws(accuracy: Accuracy) -> dict[str, Any]:
    """What is to be said of an accuracy of groups: coherence by part, and how the draws differ. Rows: nothing."""
    if accuracy.draws is None:
        return {}
    return {
        "coherence_parts": _by_part(accuracy.parts),
        "coherence_parts_max": _by_part(accuracy.parts_max),
        "draws": accuracy.draws.n,
        "standard_deviation": accuracy.draws.deviations,
        "in_expectation": {
            **accuracy.draws.expected.levels,
            "coherence_parts": _by_part(accuracy.draws.expected.parts),
        },
    }


def _by_part(values: dict[str, float]) -> dict[str, float]:
    return {part.replace(" ", "_"): value for part, value in values.items()}


def thinned(points: tuple[Any, ...], limit: int) -> list[Any]:
    """At most `limit` of the points, evenly spread, always with the first and the last."""
    if len(points) <= limit:
        return list(points)
    return [points[i] for i in np.linspace(0, len(points) - 1, limit).astype(int).tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
