"""What the commands share: errors as one message, files written whole, a bar on a terminal."""

from __future__ import annotations

import errno
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from regencast.errors import RegencastError, UsageError, fail

PATH = click.Path(path_type=Path)
#: Kinds of files in which tables are written.
TABLES = (".csv", ".parquet", ".xlsx")


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn every foreseen error into one message and its exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except RegencastError as error:
            click.echo(str(error), err=True)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            why = (error.strerror or type(error).__name__).lower()
            where = error.filename or "a file"
            remedy = "Check the path, your rights to the folder and the space on the disk"
            click.echo(str(fail(where, f"it cannot be used ({why})", remedy)), err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing was left half-written.", err=True)
            sys.exit(130)

    return run


def print_all_letters() -> None:
    """Let stdout write a letter that its encoding lacks as an escape, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def may_write(path: Path, force: bool) -> None:
    """Refuse a file that exists, unless forced, and a folder that does not."""
    if path.is_dir():
        raise fail(path, "it is a folder", "Name a file")
    if path.exists() and not force:
        raise fail(path, "the file exists", "Name another, or give --force")
    if not path.parent.is_dir():
        raise fail(path.parent, "there is no such folder", "Make it first")


def may_write_table(path: Path, force: bool) -> None:
    """As `may_write`; and refuse a kind of file that is not written."""
    if path.suffix.lower() not in TABLES:
        raise UsageError(f"{path}: tables are written as {', '.join(TABLES)}; name one of them")
    may_write(path, force)


def say_misspelt(columns: dict[str, str], file: Path) -> None:
    """Say which columns of a file look like a design's and are not read."""
    for column, meant in columns.items():
        click.echo(f"{file}: column {column} is not read; {meant} is a column", err=True)


def say_replaced(frame: Any, written: Iterable[str], file: Path) -> None:
    """Say which columns of a file stand anew in the output, for it has columns of these names."""
    columns = [name for name in written if name in frame]
    if columns:
        click.echo(f"{file}: what stood under {', '.join(columns)} is replaced", err=True)


def write_table(table: Any, path: Path) -> None:
    """Write a table beside its place, then rename: nothing is ever half-written."""
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(part, index=False)
        elif path.suffix.lower() == ".xlsx":
            from openpyxl.utils.exceptions import IllegalCharacterError

            try:
                with part.open("wb") as stream:
                    table.to_excel(stream, index=False, engine="openpyxl")
            except IllegalCharacterError:
                raise fail(path, "a cell holds a control character", "Write CSV") from None
        else:
            table.to_csv(part, index=False, lineterminator="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_chunks(tables: Iterator[Any], path: Path) -> None:
    """Write tables of the same columns one after the other, as CSV or Parquet, whole or not at all.

    Columns that hold text anywhere are text throughout.
    """
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    writer = None
    try:
        for place, table in enumerate(tables):
            if path.suffix == ".parquet":
                import pyarrow as pa
                import pyarrow.parquet as pq

                kinds = [
                    (name, pa.string() if table[name].dtype == object else pa.float64())
                    for name in table
                ]
                schema = pa.schema(kinds)
                writer = writer or pq.ParquetWriter(part, schema)
                writer.write_table(pa.Table.from_pandas(table, schema, preserve_index=False))
            else:
                mode = "w" if place == 0 else "a"
                table.to_csv(part, mode=mode, header=place == 0, index=False, lineterminator="\n")
        if writer:
            writer.close()
        os.replace(part, path)
    finally:
        if writer:
            writer.close()
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
