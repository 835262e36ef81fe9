import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from report import page
from report.pictures.collect import Pictures, collect
from report.records import Fault, Report
from tests.report.drawn_report import network_profile, published, report, result, run, scores, stages

HOSTILE = "</script><script>window.hostile = 1</script><img src=x onerror=hostile()>{{ 7 * 7 }}"


class Elements(HTMLParser):
    """Start tags with their attributes, and texts of scripts, in the order of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._script = tag == "script"
        if self._script:
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)


def render(of: Report, title: str = "Runs", files: Mapping[str, str] | None = None, faults: Any = ()) -> str:
    pictures = collect(of, most=0, max_bytes=1000, workers=1)
    return page.render(of, Pictures(pictures.content, files or {}, faults), title)


@pytest.fixture(scope="module")
def hostile() -> str:
    val = result(f"{HOSTILE}/val", scores({HOSTILE: 0.5, "IoU": 0.4}), profile=stages(5.0, HOSTILE), benchmark=HOSTILE)
    one = run(
        HOSTILE,
        val,
        progress=HOSTILE,
        config={"network": HOSTILE, "benchmark": HOSTILE, "optimizer": HOSTILE, HOSTILE: HOSTILE},
        environment={"commit": HOSTILE, "command": ["--recipe", HOSTILE]},
        classes=(HOSTILE,),
        profiles=(network_profile(HOSTILE, 3.0, HOSTILE),),
        faults=(Fault(HOSTILE, HOSTILE),),
    )
    some = (published(HOSTILE, 0.5, protocol=HOSTILE, source=HOSTILE, url=f"https://example.org/{HOSTILE}"),)
    return render(report(one, published=some, faults=(Fault(HOSTILE, HOSTILE),)), HOSTILE)


def test_only_the_scripts_of_the_page_may_run(hostile: str) -> None:
    elements = Elements(hostile)
    (policy,) = [of["content"] for tag, of in elements.found if of.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    allowed = set(re.findall(r"'sha256-(.*?)'", policy))
    run_by_the_browser = [text for of, text in elements.scripts if "type" not in of]
    assert len(run_by_the_browser) >= 8
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run_by_the_browser}
    assert hashes == allowed
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy.split("; "))
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_hostile_names_stay_text(hostile: str) -> None:
    elements = Elements(hostile)
    assert not [tag for tag, of in elements.found if tag == "img" or any(name.startswith("on") for name in of)]
    assert "window.hostile = 1</script>" not in hostile
    assert "hostile()&gt;{{ 7 * 7 }}" in hostile


def test_data_of_the_page_can_be_read(hostile: str) -> None:
    (data,) = [text for of, text in Elements(hostile).scripts if of.get("id") == "data"]
    content = json.loads(data)
    assert content["overview"]["runs"][0]["name"] == HOSTILE
    assert content["overview"]["runs"][0]["network"] == HOSTILE


def test_nothing_is_loaded(hostile: str) -> None:
    sources = [(tag, name, value) for tag, of in Elements(hostile).found for name, value in of.items()]
    loaded = [(tag, name) for tag, name, value in sources if name in {"src", "srcset", "data", "action"}]
    links = [value for tag, name, value in sources if tag == "link" and name == "href"]
    assert loaded == []
    assert links == ["data:,"]


def test_ids_are_unique(hostile: str) -> None:
    ids = [of["id"] for _, of in Elements(hostile).found if "id" in of]
    assert len(ids) == len(set(ids))


def test_faults_are_listed_once_and_counted() -> None:
    fault = Fault("saved/a/history.jsonl", "line 3: got text, expected JSON")
    of = report(run("a", faults=(fault,)), faults=(Fault("saved/b", "empty"),))
    html = render(of, faults=(fault, Fault("outputs/a.png", "no PNG")))
    assert "3 files are not shown, or only in part" in html
    listed = html.partition('<details class="faults"')[2].partition("</details>")[0]
    assert listed.count("line 3: got text, expected JSON") == 1


def test_many_faults_are_cut_off() -> None:
    html = render(report(faults=tuple(Fault(f"saved/{number}", "damaged") for number in range(1000))))
    assert "1000 files are not shown" in html
    assert html.count("</code>: damaged") == 200
    assert "and 800 more" in html


def test_a_page_without_faults_has_no_list_of_them() -> None:
    assert "only in part" not in render(report(run("a")))


def test_pictures_are_embedded_as_data() -> None:
    scripts = {of.get("id"): (of, text) for of, text in Elements(render(report(), files={"p1": "QUJD"})).scripts}
    assert scripts["p1"] == ({"id": "p1", "type": "text/plain"}, "QUJD")


def test_the_first_screen_names_the_best_result() -> None:
    low, high = (result(f"{name}/val", scores({"IoU": score})) for name, score in (("low", 0.4), ("high", 0.6)))
    html = render(report(run("low", low), run("high", high)))
    best = html.partition('class="overview-best"')[2].partition("</ul>")[0]
    assert '<a href="#run=high">high/val</a>' in best
    assert "60.0 %" in best
    assert "20.00 points ahead of low/val. No interval" in best


def test_a_page_says_why_it_has_no_pictures() -> None:
    assert "Pictures were switched off" in render(report(run("demo")))
    html = page.render(report(run("demo")), Pictures(), "Runs")
    assert "Pictures were switched off" not in html
    assert "No pictures: none of the results" in html


def test_half_of_a_surrogate_pair_does_not_stop_the_page() -> None:
    html = render(report(run("a"), faults=(Fault("saved/\udcff", "empty"),)))
    assert "saved/\\udcff" in html
    html.encode()
