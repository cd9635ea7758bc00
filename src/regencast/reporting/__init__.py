"""Reporting: an experiment in, a tracked run with plots and a registered model out.

Comes in: an `Experiment` and a corpus.
Goes out: MLflow runs, artifacts, the champion.
Must not know: the command line.
"""

from regencast.reporting.diff import Difference, compare_corpora
from regencast.reporting.example import EXAMPLE, shown_designs
from regencast.reporting.report import write_report
from regencast.reporting.store import Version, list_versions, load_model, run_files
from regencast.reporting.tracking import run_training

__all__ = [
    "EXAMPLE",
    "Difference",
    "Version",
    "compare_corpora",
    "list_versions",
    "load_model",
    "run_files",
    "run_training",
    "shown_designs",
    "write_report",
]
