"""The report of a data set: its parts, its numbers, what it refuses, and the page as a browser shows it."""

import json
import re
import shutil
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import geomem
from geomem.boundaries.principal_sizes import BlockSizes
from geomem.core.status import InputError, Status
from geomem.reports import diagram as of_diagram
from geomem.reports import times as of_times
from geomem.reports.answer import _samples
from geomem.reports.data import _odd_rows
from geomem.reports.denoiser import work
from geomem.reports.study import Fates, Study
from geomem.reports.subject import subject_of
from geomem.studies.noised_points import noised_points
from tests.geomem.cli.commands import fail, run
from tests.geomem.reports.outline import Outline
from tests.geomem.sentences import is_one_sentence
from tests.geomem.test_odd_inputs import unchecked as unchecked

HOSTILE = ("<script>alert('1')</script>", "<img src=x onerror=alert(2)>", "c&amp\"d'")
NAME = "<script>alert(3)<br>.csv"
ROWS = np.random.default_rng(0).normal(size=(100, 3)) * [3.0, 1.0, 0.2]


@pytest.fixture
def few(monkeypatch):
    """Rows that are too few for a law, so that nothing is computed for long."""

    def refused(*_, **__):
        raise InputError("nothing collapses here")

    monkeypatch.setattr(of_times, "collapse_time", refused)
    return ROWS[:9]


def test_parts_that_cannot_be_computed_say_why(few, tmp_path):
    made = geomem.report(few, tmp_path / "new" / "page.html")
    found = Outline(made.html)
    assert found.levels == [1, *6 * [2], 3, 3]
    assert made.html.count("This part is not there: the data have 9 rows; a law is fitted to at least 10.") == 3
    assert made.html.count("This part is not there: nothing collapses here.") == 1
    assert (tmp_path / "new" / "page.html").read_text() == made.html
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]


def test_a_part_that_breaks_is_one_part_alone(few, monkeypatch):
    def broken(*_, **__):
        raise ValueError("<b>inside</b>")

    monkeypatch.setattr(of_times, "collapse_time", broken)
    made = geomem.report(few)
    assert "could not be computed (ValueError: &lt;b&gt;inside&lt;/b&gt;)" in made.html


def test_a_page_that_is_there_is_not_replaced(few, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        geomem.report(few, file)
    assert file.read_text() == "mine"
    geomem.report(few, file, overwrite=True)
    assert file.read_text() != "mine"


WRONG = {
    "samples of another shape": {"samples": np.zeros((5, 4))},
    "a folder": {"out": "."},
    "no page": {"out": "page.txt"},
    "no schedule": {"schedule": "nothing"},
    "a header of no file": {"header": True},
    "no sizes": {"sizes": [1.0, 10.0]},
    "infinite sizes": {"sizes": [10.0, np.inf]},
    "no score": {"score": 3},
    "no key": {"key": 0},
    "no data": {"data": "nothing.csv"},
    "no samples": {"samples": "nothing.csv"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.usefixtures("unchecked")
def test_what_is_wrong_is_said_in_one_sentence(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"data": ROWS, "out": "page.html"} | wrong
    with pytest.raises(InputError) as caught:
        geomem.report(given.pop("data"), given.pop("out"), **given)
    assert is_one_sentence(str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page(few, tmp_path, capsys):
    np.save(tmp_path / "rows.npy", few[[*range(8), 0]])
    out = tmp_path / "page.html"
    _, said = run(capsys, "report", "--data", tmp_path / "rows.npy", "--out", out, "--sizes", 30, 1e5, 2)
    assert "1 of 9 rows repeats earlier ones" in said
    assert f"wrote {out}" in said
    assert Outline(out.read_text()).levels[0] == 1


def test_the_command_says_so_too(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "others.npy", ROWS[:, :2])
    out = tmp_path / "page.html"
    for words in (
        ["--samples", tmp_path / "others.npy"],
        ["--schedule", "nothing"],
        ["--sizes", 1, 2, 3],
        ["--columns", "none"],
    ):
        fail(capsys, "report", "--data", tmp_path / "rows.npy", "--out", out, *words)
    assert not out.exists()
    out.write_text("mine")
    assert "is there already" in fail(capsys, "report", "--data", tmp_path / "rows.npy", "--out", out)
    assert out.read_text() == "mine"


def test_without_bokeh_one_sentence(few, monkeypatch):
    of_diagram._bokeh.cache_clear()
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    with pytest.raises(InputError, match=r"geomem\[report\]"):
        geomem.report(few)


def test_frames_have_names_and_pictures_shapes():
    frame = pd.DataFrame(ROWS, columns=list(HOSTILE))
    assert subject_of(frame).columns == HOSTILE
    pictures = subject_of(ROWS[:64].reshape(12, 2, 4, 2)).pictures
    assert pictures is None  # two channels are no colours
    pictures = subject_of(np.arange(96.0).reshape(2, 3, 4, 4)).pictures
    assert pictures is not None
    assert pictures.shape == (4, 4, 3)
    colours = pictures.drawn(np.arange(96.0).reshape(2, 48))
    np.testing.assert_array_equal(colours[0, :, :, 1], np.arange(16.0, 32.0).reshape(4, 4))
    digits = subject_of("digits")
    assert digits.pictures is not None
    np.testing.assert_array_equal(digits.pictures.drawn(digits.rows).reshape(1797, 64), load_digits().data)
    assert digits.as_rows(np.zeros((5, 8, 8))).shape == (5, 61)


def study_of(data, **known):
    """A study whose law and diagram are not computed but given."""
    study = Study(subject_of(data), None, np.array([float(len(data))]), None, None, jax.random.key(0))
    study.__dict__.update(known)
    return study


def test_denoisers_of_pictures_are_drawn():
    pictures = np.random.default_rng(0).normal(size=(30, 4, 4))
    fates = Fates(*(np.array(one) for one in ([1.0], [16.0], [0.5], [0.4], [0.6])))
    made = work(study_of(pictures, fates=fates))
    assert made.numbers == {"time_0": 0.5}
    (alt,) = Outline(str(made.body)).alts
    assert "original, with noise, empirical, local 1×1, local 3×3" in alt


def test_a_score_that_is_none_is_said_with_its_noise_variance():
    fates = Fates(*(np.array(one) for one in ([1.0], [3.0], [0.5], [0.4], [0.6])))
    study = study_of(ROWS, fates=fates)
    for score, said in ((lambda x, t: x * np.nan, "is not finite"), (lambda x, t: x[:1], "has shape")):
        object.__setattr__(study, "score", score)
        with pytest.raises(InputError, match=f"{said}.* noise variance 0.5"):
            work(study)


def test_intervals_of_what_is_resolved_hold_what_is_not_known():
    lost, variances = np.array([0.5, 0.0, 2.0, 0.9, 0.1]), np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    lower = np.array([0.4, np.nan, 1.5, np.nan, np.nan])
    upper = np.array([0.6, np.nan, 2.5, np.nan, np.nan])
    fates = Fates(variances, np.array([1.0, 2.0, 4.0, 8.0, 16.0]), lost, lower, upper)
    assert fates.resolved_count() == (11.0, 3.0, 11.0)
    assert fates.order == [3, 0]


def test_copies_and_outliers_are_shown():
    rows = ROWS.copy()
    rows[50:55], rows[70] = rows[:5], 1e4
    numbers = {}
    shown = str(_odd_rows(study_of(pd.DataFrame(rows, columns=list(HOSTILE))), numbers))
    assert numbers == {"copies": 5.0, "outliers": 1.0}
    assert shown.count("<tr>") == 2 + 2 * 5 + 1
    assert shown.index("row 0<") < shown.index("row 50<") < shown.index("row 70<")
    assert "10000" in shown


# A page of a table with hostile names and copies.
@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    rows = ROWS.copy()
    rows[50:55] = rows[:5]
    pd.DataFrame(rows, columns=list(HOSTILE)).to_csv(folder / NAME, index=False)
    made = rows[:40] + 1e-3
    made[20:] = np.random.default_rng(1).normal(size=(20, 3))
    given = {"header": True, "schedule": "ddpm", "samples": made, "sizes": [30.0, 1000.0, 1e5]}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(of_times, "THEORY", "rem")  # compiles in a fraction of the time
        found = geomem.report(str(folder / NAME), folder / "page.html", **given)
    return folder / "page.html", found, rows, made


SLOW = pytest.mark.slow(reason="compiles the theory of a fitted law, its critical times and its times of trajectories")


@SLOW
def test_the_page_holds_all_parts_and_no_text_runs(page):
    _, found, *_ = page
    outline = Outline(found.html)
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert np.diff(outline.levels).max() == 1
    assert not outline.handlers
    assert all(outline.alts)
    assert outline.headless == 0
    assert all(one.startswith(("#", "data:")) for one in outline.addresses)
    assert outline.scripts == 5  # the diagram and its numbers, provenance, the library, and what runs
    for name in (*HOSTILE, NAME):
        assert any(name in text for text in outline.texts)
    assert len(found.html) < 6e6
    assert "could not be computed" not in found.html
    assert found.html.count("This part is not there") == 1
    assert "pictures, and denoised rows" in found.html
    assert "measured generalization time too small" in found.html
    assert "But look first at what the checks of the data found" in found.html


@SLOW
def test_numbers_are_those_of_the_library(page):
    _, found, rows, made = page
    answer, losses, times = (found.numbers[part] for part in ("answer", "diagram", "times"))
    key = jax.random.key(0)
    fitted = geomem.fit_law(rows, key=key)
    assert answer["nats_gained"] == pytest.approx(fitted.nats_gained)
    _, probe, _ = noised_points(rows, 32, key)
    diagram = geomem.phase_diagram(
        fitted.law, num_samples=[30.0, 100.0, 1000.0, 1e5], criterion="signal_to_noise", theory="finite_n", probe=probe
    )
    at = diagram.isel(num_samples=1)
    for block in range(3):
        lost = float(at.critical_time[block]) if int(at.status[block]) == 0 else 0.0
        assert losses[f"lost_{block}"] == pytest.approx(lost, rel=1e-6)
        assert losses[f"variances_{block}"] == pytest.approx(float(at.opening_time[block]))
    kept = [losses[f"lost_{block}"] < losses[f"variances_{block}"] for block in range(3)]
    assert answer["resolved"] == sum(kept)
    assert answer["resolved_lower"] <= answer["resolved"] <= answer["resolved_upper"]
    of_collapse, *_ = jax.random.split(jax.random.fold_in(key, 2), 3)
    collapse = geomem.collapse_time(rows, key=of_collapse)
    np.testing.assert_equal(times["collapse"], float(collapse.value))
    ratio, error = geomem.memorization_ratio(made, rows)
    assert found.numbers["copies"]["memorization_ratio"] == ratio
    assert found.numbers["copies"]["memorization_ratio_error"] == error
    assert found.numbers["data"] | {"copies": 5.0, "outliers": 0.0} == found.numbers["data"]
    of_rows = [found.numbers["data"][f"variance_of_rows_{block}"] for block in range(3)]
    np.testing.assert_allclose(of_rows, np.linalg.eigvalsh(np.cov(rows.T, ddof=0))[::-1], rtol=1e-12)
    told = json.loads(re.search(r'id="provenance">(.*?)</script>', found.html).group(1))
    assert told["numbers"]["answer"]["resolved"] == answer["resolved"]


# Besides, a page of pictures, the middle of some digits, and one of data with copies, an outlier and a constant column.
@pytest.fixture(scope="module")
def pages(page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    rows = ROWS.copy()
    rows[50:55], rows[70, 0], rows[:, 2] = rows[:5], 1e4, 7.0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(of_times, "THEORY", "rem")
        geomem.report(load_digits().images[:200, 2:6, 2:6], folder / "digits.html", sizes=[1000.0])
        geomem.report(rows, folder / "problems.html", sizes=[30.0, 1000.0])
    return {"table": page[0], "digits": folder / "digits.html", "problems": folder / "problems.html"}


SCRIPTS = [pytest.param(True, id="scripts"), pytest.param(False, id="none")]


@pytest.fixture(scope="module", params=SCRIPTS)
def chromium(request, tmp_path_factory):
    """A browser, with scripts and without."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for word in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not request.param:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))) as driver:
        yield driver


@SLOW
@pytest.mark.parametrize("chromium", SCRIPTS[:1], indirect=True)
@pytest.mark.parametrize(("name", "size"), [("table", "N = 100"), ("digits", "N = 200"), ("problems", "N = 100")])
def test_a_browser_moves_the_diagram(pages, chromium, name, size):
    chromium.get(pages[name].as_uri())
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chromium, 30).until(
        lambda one: "drawn" in (one.find_element("tag name", "html").get_attribute("class") or "")
    )
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
    body = chromium.find_element("css selector", "#fates tbody")
    before, said = body.text, chromium.find_element("id", "size-said").text
    assert said == size
    slider = chromium.find_element("id", "size")
    slider.send_keys("\ue014")  # the right arrow
    assert chromium.find_element("id", "size-said").text == "N = 1000"
    assert body.text != before
    chromium.find_element("id", "block-1").send_keys(" ")
    assert not chromium.find_elements("css selector", "#fates tbody tr")[1].is_displayed()
    assert not chromium.find_element("css selector", "figure.still").is_displayed()
    assert chromium.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert chromium.execute_script("return [...document.querySelectorAll('input')].every((one) => one.labels.length)")
    assert chromium.execute_script("return [...document.images].every((one) => one.naturalWidth && one.alt)")
    assert chromium.execute_script("return [...document.querySelectorAll('th')].every((one) => one.scope)")
    assert chromium.execute_script("return document.title").count(NAME) == (name == "table")


@SLOW
@pytest.mark.parametrize("chromium", SCRIPTS[:1], indirect=True)
def test_it_is_dark_on_a_screen_and_light_on_paper(pages, chromium):
    chromium.get(pages["problems"].as_uri())
    inks = []
    for media in ("screen", "print"):
        dark = {"media": media, "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        inks.append(chromium.execute_script("return getComputedStyle(document.body).color"))
    shown = [chromium.find_element("css selector", part).is_displayed() for part in (".still", "#fates", "#size")]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert inks == ["rgb(232, 232, 232)", "rgb(27, 27, 27)"]
    assert shown == [True, True, False]


@SLOW
@pytest.mark.parametrize("chromium", SCRIPTS[1:], indirect=True)
@pytest.mark.parametrize(("name", "blocks"), [("table", 3), ("digits", 8), ("problems", 3)])
def test_without_scripts_the_pictures_are_there(pages, chromium, name, blocks):
    chromium.get(pages[name].as_uri())
    assert chromium.find_element("css selector", "figure.still img").is_displayed()
    assert all(one.is_displayed() for one in chromium.find_elements("tag name", "img"))
    assert not chromium.find_element("id", "size").is_displayed()
    assert len(chromium.find_elements("css selector", "#fates tbody tr")) == blocks


def test_a_size_beyond_the_theory_is_no_number():
    """An infinite critical size, beyond all that were asked for, and a finite one."""
    said = {}
    status = np.array([[Status.OUT_OF_VALIDITY, Status.CONVERGED]], dtype=np.int8)
    sizes = BlockSizes(None, np.array([[np.inf, 7.0]]), np.array([[np.nan, 0.1]]), status)  # ty: ignore[invalid-argument-type]
    assert "no number of them up to N = 10¹⁵ is found to be enough" in _samples(sizes, 0, 0, "needed", said)
    assert said == {}
    assert _samples(sizes, 0, 1, "needed", said).startswith("N = 1100 samples")
