"""The page as a person uses it: a real server, a real browser, a simulated corpus."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from conftest import SMALL_TOML, run
from regencast.app import Models, make_app
from regencast.app.uploads import MOST_ROWS, download, harmless
from regencast.errors import fail
from simulation import simulate_ev

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
browser_test = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; install `chromium`")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with a trained model of a simulated corpus, some texts of which are hostile.

    No study in it gives EVs intravenously in osteoporosis.
    """
    folder = tmp_path_factory.mktemp("site")
    package = simulate_ev(folder / "data/corpus", 1, n_studies=70)
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    table = table[(table["model"] != "osteoporosis") | (table["route"] != "intravenous")]
    table["title"] = [HOSTILE if row == 0 else f"Title {row}" for row in range(len(table))]
    table["source_url"] = "javascript:alert(1)"
    table["doi"] = [None if row == 0 else f"10.1000/{row}" for row in range(len(table))]
    table.to_csv(package / "contrasts.csv", index=False)
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    for name in ("title", "source_url", "doi"):
        field = {"name": name, "type": "string", "role": "reference"}
        described["resources"][0]["schema"]["fields"].append(field)
    described["resources"].append({"name": "vocabulary", "path": "vocabulary.csv"})
    path.write_text(json.dumps(described))
    (package / "vocabulary.csv").write_text(
        "column,level,definition,parent\nev_source,BMSC,cells of the bone marrow,adult MSC\n"
        "ev_source,ADSC,cells of fat,adult MSC\n"
    )
    (folder / "small.toml").write_text(SMALL_TOML)
    result = run("train", "small.toml", "--corpus", package, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """The address of a running `regencast app`."""
    program = [Path(sys.executable).parent / "regencast", "app", "--port", "0", "--no-browser"]
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(program, cwd=site, stdout=subprocess.PIPE, text=True, env=env)
    assert server.stdout is not None
    said = server.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+/", said).group(0)
    server.terminate()
    server.wait(20)


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """A page of the browser; what it asks of other hosts, or complains of, fails the test."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, base_url=address)
    complaints: list[str] = []
    page.on("request", lambda request: request.url.startswith((address, "data:"))
            or complaints.append(request.url))  # fmt: skip
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield page
    page.close()
    assert not complaints


@pytest.fixture(scope="module")
def client(site):
    """The same page without a browser, for what a browser cannot ask."""
    before = Path.cwd()
    os.chdir(site)
    yield make_app(Models(Path("data/corpus")), ["127.0.0.1", "localhost"]).test_client()
    os.chdir(before)


def score_of(page) -> str:
    return page.locator("[data-score]").inner_text()


def change(page, act) -> None:
    """Change the form, and wait for its answer."""
    with page.expect_response(lambda reply: "/answer" in reply.url):
        act()
    page.locator("#answer:not([aria-busy])").wait_for()


@browser_test
@pytest.mark.slow
def test_a_changed_preconditioning_changes_the_score_and_the_link_restores_it(page):
    page.goto("/")
    page.select_option("#f-ev_source", "UCMSC")
    choose = page.locator("fieldset", has_text="Preconditioning")
    choose.locator("summary").click()
    change(page, lambda: choose.get_by_label("hypoxia").check())
    with_hypoxia, link = score_of(page), page.url
    change(page, lambda: choose.get_by_label("none").check())
    assert not choose.get_by_label("hypoxia").is_checked(), "none and hypoxia exclude each other"
    assert float(score_of(page)) < float(with_hypoxia)
    page.goto(link)
    assert score_of(page) == with_hypoxia
    assert page.locator("#f-ev_source").input_value() == "UCMSC"
    assert page.get_by_role("heading", name="Animals per group").is_visible()
    steps = page.locator("section", has_text="score points").locator("td.value").all_inner_texts()
    start = float(re.search(r"From (\d+)", page.locator("#answer").inner_text()).group(1))
    assert start + sum(map(float, steps)) == pytest.approx(float(with_hypoxia), abs=1.5)


@browser_test
@pytest.mark.slow
def test_the_verdict_and_nearest_studies_stand_with_the_answer(page):
    page.goto("/?ev_source=BMSC&preconditioning=none&dose_value=100&dose_unit=ug")
    answer = page.locator("#answer")
    assert "How good is the model?" in answer.inner_text()
    assert "held-out studies" in answer.locator(".verdict").inner_text()
    assert answer.locator(".studies li").count() == 5
    assert answer.locator(".curve").is_visible()
    answer.locator(".studies a").first.click()
    assert "The same in all of them" in page.content()


@browser_test
@pytest.mark.slow
def test_two_designs_side_by_side(page):
    page.goto("/?ev_source=BMSC&preconditioning=none")
    page.get_by_role("link", name="Compare with a variant").click()
    page.select_option("#change", "ev_source=UCMSC")
    page.get_by_role("button", name="Add").click()
    rows = page.locator("table.compare tbody tr")
    assert rows.count() == 2 and "UCMSC" in rows.nth(1).inner_text()
    said = page.locator("main").inner_text()
    assert "within the noise" in said or "beyond the noise" in said
    page.get_by_role("link", name="Remove design 1").click()
    assert rows.count() == 1


@browser_test
@pytest.mark.slow
def test_an_upload_with_a_faulty_row_is_ranked_and_downloaded(page, tmp_path):
    path = tmp_path / "designs.csv"
    path.write_text(
        "idea,ev_source,preconditioning\n=HYPERLINK(1),UCMSC,hypoxia\nplain,BMSC,none\nodd,Mars,none\n"
    )
    page.goto("/upload")
    page.set_input_files("#designs", path)
    page.get_by_role("button", name="Score").click()
    fault = page.get_by_role("alert").inner_text()
    assert "Row 4" in fault and "Mars" in fault and "nearest" in fault
    rows = page.locator("table.compare tbody tr th").all_inner_texts()
    assert [text.split(".")[0] for text in rows] == ["1", "2"] and "plain" in rows[1]
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download CSV").click()
    table = pd.read_csv(saved.value.path())
    assert table["idea"][0] == "'=HYPERLINK(1)" and table["score"][0] > table["score"][1]


@browser_test
@pytest.mark.slow
def test_the_evidence_is_filtered_and_hostile_texts_stay_texts(page):
    page.goto("/evidence")
    everything = int(re.search(r"(\d+) contrasts", page.content()).group(1))
    page.select_option("#l-ev_source", "BMSC")
    page.get_by_role("button", name="Filter").click()
    some = int(re.search(r"(\d+) contrasts", page.content()).group(1))
    assert 0 < some < everything
    assert set(page.locator("table.evidence td:nth-child(4)").all_inner_texts()) <= {"BMSC"}
    page.goto("/study/s0")
    assert page.title() != "taken" and "<script>" in page.locator("main").inner_text()
    assert page.locator("a[href^='javascript']").count() == 0


@browser_test
@pytest.mark.slow
def test_factors_and_runs(page):
    page.goto("/matters")
    assert page.locator("table.bars tbody tr").count() >= 7
    page.get_by_role("link", name="EV source").click()
    assert "UCMSC" in page.content() and "factor=ev_source" in page.url
    page.goto("/runs")
    page.get_by_role("link", name="1, champion").click()
    assert "version=1" in page.url and score_of(page)


@browser_test
@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/compare", "/upload", "/matters", "/evidence", "/runs"])
def test_pages_fit_a_phone_and_name_their_fields(page, path):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    nameless = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), select')]"
        ".filter(e => !e.labels.length).map(e => e.name)"
    )
    assert nameless == []
    assert page.locator("h1").count() == 1
    charts = page.locator("svg[role=img]")
    assert all(charts.nth(k).get_attribute("aria-label") for k in range(charts.count()))


@browser_test
@pytest.mark.slow
def test_the_keyboard_is_enough(page):
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("#f-ev_source").focus()
    change(page, lambda: page.keyboard.type("BM"))
    assert "ev_source=BMSC" in page.url


@browser_test
@pytest.mark.slow
def test_the_form_works_without_script(chromium, address):
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    page.select_option("#f-ev_source", "ADSC")
    page.get_by_role("button", name="Forecast").click()
    assert "ev_source=ADSC" in page.url and score_of(page)


def test_no_request_is_answered_under_a_foreign_name(client):
    assert client.get("/upload", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/upload", headers={"Host": "localhost:8000"}).status_code == 200


def test_only_our_own_scripts_may_run(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    text = client.get("/").get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", text)


def test_levels_never_tried_together_are_told(client):
    tried = client.get("/answer?model=osteoporosis&route=local").get_data(as_text=True)
    never = client.get("/answer?model=osteoporosis&route=intravenous").get_data(as_text=True)
    assert "Model osteoporosis with route intravenous" in never and "Never tried" not in tried


def test_a_study_with_two_reports_shows_each_with_its_contrasts(client):
    # Every contrast of the simulated studies has a title, and so a report, of its own.
    text = client.get("/study/s1").get_data(as_text=True)
    titles = re.findall(r"<h2>(Title \d+)</h2>", text)
    assert len(titles) > 1 and f"{len(titles)} reports" in text
    assert text.count("<h3>1 contrast</h3>") == len(titles)
    assert text.count(titles[0]) == 1, "it stands above its table, not in it"
    assert client.get("/study/nobody").status_code == 404


def test_a_level_that_the_corpus_lacks_is_a_message(client):
    reply = client.get("/answer?ev_source=Mars")
    assert reply.status_code == 422 and "The nearest are" in reply.get_data(as_text=True)
    assert client.get("/answer").status_code == 422
    assert client.get("/answer?version=99&ev_source=BMSC").status_code == 422


def post(client, name, content):
    data = {"designs": (io.BytesIO(content), name)}
    return client.post("/upload", data=data, content_type="multipart/form-data")


def bomb():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * 60 * 1024**2)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.exe", b"MZ", "neither CSV nor Excel"),
        ("../../etc/passwd.csv", b"\xff\xfe\x00", "cannot be read"),
        ("empty.csv", b"", "cannot be read"),
        ("bomb.xlsx", bomb(), "unpacks"),
        ("not.xlsx", b"a,b\n", "no Excel file"),
        ("long.csv", b"ev_source\n" + b"BMSC\n" * (MOST_ROWS + 1), "at most"),
    ],
)
def test_a_hostile_upload_is_refused_in_words(client, name, content, said):
    reply = post(client, name, content)
    assert reply.status_code == 422 and said in reply.get_data(as_text=True)


def test_a_fault_of_a_design_speaks_of_the_field_alone(client):
    text = client.get("/?model=osteoporosis&n_treated=1").get_data(as_text=True)
    assert "N treated: it is not a group of two animals or more" in text
    assert "row 2" not in text


def test_an_upload_beyond_the_limit_is_refused(client):
    assert post(client, "big.csv", b"x" * 3 * 1024**2).status_code == 413


def test_an_uploaded_script_is_shown_as_text(client):
    content = f'idea,ev_source\n"{HOSTILE}",BMSC\n'.encode()
    reply = client.get(post(client, "<b>.csv", content).headers["Location"])
    text = reply.get_data(as_text=True)
    assert "<img src=x" not in text and "&lt;img src=x" in text


@pytest.mark.parametrize("cell", ["=1", "+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "-x"])
def test_no_download_holds_a_formula(cell):
    assert harmless(cell) == f"'{cell}"
    table = pd.DataFrame({cell: [cell, "text"], "n": [-1.5, 2.0]})
    book = openpyxl.load_workbook(io.BytesIO(download(table, "xlsx")))
    assert all(c.data_type != "f" for row in book.active for c in row)
    assert download(table, "csv").decode().count(f"'{cell.strip()[:1]}") >= (cell[0] != "\t")


def test_evidence_is_saved_as_it_is_filtered(client):
    saved = client.get("/evidence.csv?ev_source=BMSC")
    table = pd.read_csv(io.BytesIO(saved.data))
    assert set(table["ev_source"]) == {"BMSC"} and table["found"].notna().all()
    assert client.get("/evidence?q=no+such+word").status_code == 200


def test_without_a_model_the_page_says_what_to_do(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = make_app(Models(package)).test_client()
    reply = app.get("/")
    assert reply.status_code == 200 and "make train" in reply.get_data(as_text=True)


def test_a_model_of_another_edition_is_told_and_the_others_stay_in_reach(client, monkeypatch):
    def refuse(address):
        raise fail("model", "it was saved by another edition of the program", "Train again")

    monkeypatch.setattr("regencast.app.models.load_model", refuse)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    fresh = make_app(Models(Path("data/corpus"))).test_client()
    assert "another edition" in fresh.get("/").get_data(as_text=True)
    runs = fresh.get("/runs").get_data(as_text=True)
    assert "another edition" in runs and "Versions to choose from" in runs


def test_a_port_that_is_taken_gets_one_message(site, address):
    result = run("app", "--port", address.rstrip("/").rpartition(":")[2], "--no-browser", cwd=site)
    assert result.returncode == 1 and "--port" in result.stderr
    assert "Traceback" not in result.stderr
