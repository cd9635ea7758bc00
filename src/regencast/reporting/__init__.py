"""Reporting: an experiment in, a tracked run with plots and a registered model out.

Comes in: an `Experiment` and a corpus.
Goes out: MLflow runs, artifacts, the champion.
Must not know: the command line.
"""

from regencast.reporting.tracking import load_model, run_training

__all__ = ["load_model", "run_training"]
