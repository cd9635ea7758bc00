"""What the commands share: errors as one message, files written whole, a bar on a terminal."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from regencast.errors import RegencastError, UsageError, fail

PATH = click.Path(path_type=Path)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn every foreseen error into one message and its exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except RegencastError as error:
            click.echo(str(error), err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing was left half-written.", err=True)
            sys.exit(130)

    return run


def may_write(path: Path, force: bool) -> None:
    """Refuse a file that exists, unless forced, and a folder that does not."""
    if path.exists() and not force:
        raise fail(path, "the file exists", "Name another, or give --force")
    if not path.parent.is_dir():
        raise fail(path.parent, "there is no such folder", "Make it first")


def write_table(table: Any, path: Path) -> None:
    """Write a table beside its place, then rename: nothing is ever half-written."""
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        if path.suffix == ".parquet":
            table.to_parquet(part, index=False)
        elif path.suffix == ".xlsx":
            with part.open("wb") as stream:
                table.to_excel(stream, index=False, engine="openpyxl")
        else:
            table.to_csv(part, index=False, lineterminator="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class progress_bar:
    """A bar on stderr where that is a terminal; silent elsewhere."""

    def __init__(self, label: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(label, total=total)

    def __enter__(self) -> Callable[[], None]:
        self._bar.start()
        return lambda: self._bar.advance(self._task)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
