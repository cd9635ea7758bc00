"""How long the page takes: from the command to the first answer, and from a change to the next."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, keep, show

CHANGES = ("cells", "vehicle", "unmodified_ev", "scaffold_alone", "untreated_disease")


def main() -> None:
    """Measure with the shipped corpus and its champion (after `make train`), print and keep."""
    from playwright.sync_api import sync_playwright

    program = [Path(sys.executable).parent / "regencast", "app", "--port", "0", "--no-browser"]
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        start = time.perf_counter()
        with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            said = re.search(r"http://\S+", server.stdout.readline())
            assert said is not None
            listening = time.perf_counter() - start
            page.goto(said.group(0))
            page.locator("[data-score]").wait_for()
            first = time.perf_counter() - start
            start = time.perf_counter()
            page.goto(said.group(0))
            page.locator("[data-score]").wait_for()
            again = time.perf_counter() - start
            changes = []
            for level in CHANGES:
                start = time.perf_counter()
                page.select_option("#f-comparator", level)
                page.wait_for_url(re.compile(f"comparator={level}"))
                page.locator("#answer:not([aria-busy])").wait_for()
                changes.append(time.perf_counter() - start)
            server.terminate()
        browser.close()
    rows = [
        ("from the command to the page's address, s", listening, ""),
        ("from the command to the first answer, s", first, 5.0),
        ("opening the page again, s", again, 5.0),
        ("from a change to its answer, median s", statistics.median(changes), 1.0),
        ("from a change to its answer, largest s", max(changes), 1.0),
    ]
    show("The page", ("what", "seconds", "goal"), rows)
    keep("page", [dict(zip(("what", "seconds", "goal"), row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
