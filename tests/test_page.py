"""The page as a person uses it: a real server, a real browser, a simulated corpus."""

import html
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

from conftest import SMALL_TOML, run, simulate
from regencast.app import Models, make_app
from regencast.app.answers import answer_design
from regencast.app.comparing import Comparison
from regencast.app.models import Loaded
from regencast.app.serving import LOCAL
from regencast.app.uploads import MOST_ROWS, download, harmless
from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.errors import fail
from regencast.reporting.store import tracking
from regencast.training import Experiment, fit_forecaster, save_forecaster
from regencast.training.experiment import Candidate
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


@pytest.fixture
def retrained(client, monkeypatch):
    """The number of a second version, which became the champion while the page was open."""
    client.get("/")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tracking().MlflowClient()
    first = store.get_model_version("regencast", "1")
    second = store.create_model_version("regencast", first.source, first.run_id).version
    store.set_registered_model_alias("regencast", "champion", second)
    yield str(second)
    store.set_registered_model_alias("regencast", "champion", "1")
    store.delete_model_version("regencast", second)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a corpus whose columns have other names, awkward ones, and its model."""
    folder = tmp_path_factory.mktemp("own")
    package = simulate(folder / "corpus", n_studies=30)
    names = {"source": "version", "colour": "endpoint"}
    table = pd.read_csv(package / "contrasts.csv").rename(columns=names)
    table["version"] = table["version"].replace({"A": "CD34+", "B": "CD34+human"})
    table.to_csv(package / "contrasts.csv", index=False)
    path = package / "datapackage.json"
    described = json.loads(path.read_text())
    for field in described["resources"][0]["schema"]["fields"]:
        field["name"] = names.get(field["name"], field["name"])
    path.write_text(json.dumps(described))
    corpus = read_corpus(package)
    small = Experiment(inner_folds=3, candidates=(Candidate("ridge", (("reach", 0.1),)),))
    save_forecaster(fit_forecaster(corpus, read_effects(corpus), small)[0], folder / "model")
    return folder


@pytest.fixture(scope="module")
def own_client(own):
    return make_app(Models(own / "corpus", str(own / "model"))).test_client()


def text_of(reply) -> str:
    """Return what a reader sees of a page, in one line."""
    unseen = r"<(svg|option).*?</\1>|<[^>]+>"
    text = re.sub(unseen, " ", reply.get_data(as_text=True), flags=re.DOTALL)
    return " ".join(html.unescape(text).split())


def links_of(reply) -> dict[str, str]:
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>([^<]*)<', reply.get_data(as_text=True))
    return {text.strip(): html.unescape(link) for link, text in found}


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
    local = make_app(client.application.extensions["regencast"], [*LOCAL]).test_client()
    for name, status in (("[::1]:8000", 200), ("127.0.0.1", 200), ("[::2]:8000", 400),
                         ("127.0.0.1.evil", 400), ("[::1", 400), ("", 400)):  # fmt: skip
        assert local.get("/upload", headers={"Host": name}).status_code == status, name


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


def test_every_link_keeps_the_version_that_was_asked(client, retrained):
    design = "ev_source=BMSC&model=osteoporosis"
    assert f"Answered by version {retrained}" not in text_of(client.get(f"/?{design}"))
    page = client.get(f"/?version={retrained}&{design}")
    assert f"Answered by version {retrained}" in text_of(page)
    links = links_of(page)
    for name in ("Compare with a variant", "Start again", "Evidence", "Upload", "What matters"):
        assert f"version={retrained}" in links[name], name
    compared = client.get(links["Compare with a variant"])
    assert f"Answered by version {retrained}" in text_of(compared)
    assert f"version={retrained}" in links_of(compared)["Design 1"]
    data = {"designs": (io.BytesIO(b"ev_source\nBMSC\n"), "a.csv")}
    kind = "multipart/form-data"
    reply = client.post(f"/upload?version={retrained}", data=data, content_type=kind)
    scored = client.get(reply.headers["Location"])
    assert f"Answered by version {retrained}" in text_of(scored)
    assert f"version={retrained}" in links_of(scored)["Compare"]


def test_an_open_page_stays_with_its_model_when_another_becomes_the_champion(client, retrained):
    runs = text_of(client.get("/runs"))
    assert f"Model version 1; the champion is version {retrained}" in runs
    assert client.application.extensions["regencast"].get().address == "models:/regencast/1"
    fresh = Models(Path("data/corpus"))
    assert fresh.get().address == f"models:/regencast/{retrained}"
    named = Models(Path("data/corpus"), "models:/regencast/1")
    assert named.get().called == "version 1" and named.get("1") is named.get()


def selected(reply) -> list[str]:
    pattern = r'value="([^"]*)"[^>]*(?:selected|checked)'
    return [html.unescape(value) for value in re.findall(pattern, reply.get_data(as_text=True))]


def test_the_form_shows_what_was_understood(client, own_client):
    assert selected(client.get("/?ev_source=bmsc")) == ["BMSC"]
    labels = client.get("/?preconditioning=hypoxia%20%2B%20drug")
    assert set(selected(labels)) == {"hypoxia", "drug"}
    for level in ("CD34%2B", "CD34%2Bhuman"):
        page = own_client.get(f"/?column.version={level}")
        assert selected(page) == [level.replace("%2B", "+")] and page.status_code == 200


def test_evidence_takes_a_level_with_a_plus_as_one(own_client, own):
    table = pd.read_csv(own / "corpus/contrasts.csv")
    count = (table["version"] == "CD34+").sum()
    page = own_client.get("/evidence?column.version=CD34%2B")
    assert f"{count} contrasts" in text_of(page)
    options = re.findall(r'<option value="([^"]*)"', page.get_data(as_text=True))
    assert {"CD34+", "CD34+human"} <= set(options) and "CD34" not in options
    saved = own_client.get(links_of(page)["Download what is shown (CSV)"])
    assert len(pd.read_csv(io.BytesIO(saved.data))) == count


def test_a_corpus_may_call_its_columns_as_it_likes(own_client):
    reply = own_client.get("/answer?dose=100&unit=ug&endpoint=red")
    assert reply.status_code == 200 and "Dose in ug, from 1 to 100" in text_of(reply)
    page = own_client.get("/evidence?endpoint=red")
    saved = own_client.get(links_of(page)["Download what is shown (CSV)"])
    assert set(pd.read_csv(io.BytesIO(saved.data))["endpoint"]) == {"red"}
    link = links_of(own_client.get("/answer?column.version=CD34%2B"))["Compare with a variant"]
    assert "Design 1" in text_of(own_client.get(link))
    assert own_client.get("/matters").status_code == 200, "without importance"


def test_a_field_that_the_model_does_not_know_is_a_fault_and_closed(own, site):
    other = make_app(Models(site / "data/corpus", str(own / "model"))).test_client()
    reply = other.get("/answer?ev_source=BMSC")
    assert reply.status_code == 422 and "EV source" in text_of(reply)
    assert "does not know this field" in text_of(reply)
    page = other.get("/").get_data(as_text=True)
    assert re.search(r'<select id="f-ev_source"[^>]* disabled', page)
    compared = text_of(other.get("/compare?d=ev_source%3DBMSC&d=ev_source%3DADSC"))
    assert "does not know this field" in compared and "noise:" not in compared


def test_every_factor_can_be_looked_at(client, monkeypatch):
    page = client.get("/matters").get_data(as_text=True)
    factors = set(re.findall(r'factor=([^&"#]+)', page))
    assert "dose" in factors
    assert {client.get(f"/matters?factor={one}").status_code for one in factors} == {200}
    monkeypatch.setattr(Loaded, "table", lambda self, name: pd.DataFrame())
    assert "holds no importance" in text_of(client.get("/matters"))


def test_a_run_that_says_little_of_itself_is_shown(client, monkeypatch):
    model = client.application.extensions["regencast"].get()
    monkeypatch.setitem(vars(model), "run", {"date": "2026-01-02"})
    assert "2026-01-02" in text_of(client.get("/runs"))


def test_what_a_difference_is_worth_is_said_of_true_effects():
    found = Comparison([], [], [float("nan"), 0.5, 0.98, 0.3])
    assert found.sentence(1) == "no difference is forecast"
    assert "beyond" in found.sentence(2) and "its true effect is higher" in found.sentence(2)
    assert "within" in found.sentence(3) and "in 70 of 100" in found.sentence(3)


def test_animals_are_told_with_the_effect_that_they_are_for(client):
    design = {"ev_source": "BMSC", "preconditioning": "none", "n_treated": "6", "n_control": "6"}
    row = answer_design(client.application.extensions["regencast"].get(), design).row
    said = text_of(client.get("/answer", query_string=design))
    assert f"were the true effect g {row['plan_effect']:.2f}, the forecast" in said
    assert ("for large groups" in said) == (row["plan_effect"] < row["effect"])


def test_the_comparison_warns_as_the_answer_does(client):
    designs = ["ev_source=BMSC&dose_value=100&dose_unit=ug", "dose_value=1e7&dose_unit=ug",
               "model=osteoporosis&route=intravenous", "dose_value=9&dose_unit=ug_per_ml",
               "ev_source=Mars"]  # fmt: skip
    reply = client.get("/compare", query_string={"d": designs})
    said = text_of(reply)
    assert "Beyond all studies" in said and "Never tried together" in said
    assert "tells no dose" in said and "EV source: the corpus has no such level" in said
    assert "row" not in said.split("Is the difference real?")[0]
    assert '<option value="dose_unit=' not in reply.get_data(as_text=True)


def test_a_dose_curve_shows_doses_that_the_model_read(client):
    reply = client.get("/answer?ev_source=BMSC&dose_value=100&dose_unit=ug_per_ml")
    assert "tells no dose" in text_of(reply) and "Score by dose" not in text_of(reply)
    reply = client.get("/answer?ev_source=BMSC&dose_value=100&dose_unit=ug")
    assert "Dose in ug, from 10 to 300" in text_of(reply)


def test_the_search_finds_levels_as_the_program_writes_them(client):
    def count(words):
        return int(re.search(r"(\d+) contrasts", text_of(client.get(f"/evidence?q={words}")))[1])

    assert count("calvarial_defect") == count("calvarial+defect") > 0
    assert count("nan") == 0


def test_an_emptied_form_is_no_example(client):
    assert "every field is open" in text_of(client.get("/?ev_source=&model="))
    assert "every field is open" not in text_of(client.get("/?version=1"))


def test_a_fault_of_the_model_is_not_called_one_of_the_design(client):
    assert "The model does not answer" in text_of(client.get("/?version=99"))
    assert "This design cannot be forecast" in text_of(client.get("/?ev_source=Mars"))


def test_a_cell_that_excel_cannot_hold_is_a_message(client):
    place = post(client, "a.csv", b"idea,ev_source\nfoo\x0bbar,BMSC\n").headers["Location"]
    reply = client.get(f"{place}.xlsx")
    assert reply.status_code == 422 and "Download CSV" in text_of(reply)
    assert client.get(f"{place}.csv").status_code == 200


def post(client, name, content):
    data = {"designs": (io.BytesIO(content), name)}
    return client.post("/upload", data=data, content_type="multipart/form-data")


def bomb():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * 60 * 1024**2)
    return stream.getvalue()


def empty_zip():
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.exe", b"MZ", "neither CSV nor Excel"),
        ("../../etc/passwd.csv", b"\xff\xfe\x00", "it holds binary data"),
        ("empty.csv", b"", "empty.csv: the file is empty"),
        ("semicolons.csv", b"idea;ev_source\nx;BMSC\n", "separated by semicolons"),
        ("broken.xlsx", empty_zip(), "cannot be read"),
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
