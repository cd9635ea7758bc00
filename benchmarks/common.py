"""What the benchmarks share: where the packages are, and how a result is kept."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BENCH = Path(os.environ.get("REGENCAST_BENCH", ROOT / "../shared/bench"))
RESULTS = Path(__file__).resolve().parent / "results"
WIDTH = 130
PACKAGES = ("ssri_anxiety", "judgement_bias", "early_life_ieg")


def need(name: str) -> Path:
    """Return a package's folder, or stop with a clear word."""
    folder = BENCH / name
    if not folder.is_dir():
        sys.exit(f"{folder} is missing: set REGENCAST_BENCH; benchmarks/README.md says how")
    return folder


def keep(name: str, result: Any) -> None:
    """Write a result for machines, with what it was measured on."""
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine, "result": result}, indent=1, allow_nan=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def show(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*(f"{x:.3f}" if isinstance(x, float) else str(x) for x in row))
    # A file or a pipe has no width of its own; a cut number is no number.
    Console(width=max(Console().width, WIDTH)).print(table)
