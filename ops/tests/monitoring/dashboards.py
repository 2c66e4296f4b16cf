"""The dashboards of ops/grafana, and what must be true of them."""

import json
import re
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "grafana/dashboards"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}


def load():
    """Each dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    """Where each expression is, and the expression with values in place of Grafana's variables."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"{dashboard['title']} / {panel['title']} / {target['legendFormat']}", filled_in(target["expr"])
    for variable in dashboard["templating"]["list"]:
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        yield f"{dashboard['title']} / ${variable['name']}", f"count by ({label}) ({series})"


def filled_in(expression):
    return re.sub(r"\$\w+", ".+", expression.replace("$__rate_interval", "10s"))


def faults():
    """What is wrong with them, a line each."""
    dashboards = load()
    if not dashboards:
        yield f"there are none in {FOLDER}"
    titles = Counter(dashboard["title"] for dashboard in dashboards.values())
    for name, dashboard in dashboards.items():
        if dashboard["uid"] != name:
            yield f"{name}: its uid is {dashboard['uid']}"
        if titles[dashboard["title"]] > 1:
            yield f"{name}: another has its title, too"
        if "kverse" not in dashboard["tags"]:
            yield f"{name}: without the tag kverse the others have no link to it"
        for fault in faults_of(dashboard):
            yield f"{name}: {fault}"


def faults_of(dashboard):
    for identifier, count in Counter(panel["id"] for panel in dashboard["panels"]).items():
        if count > 1:
            yield f"{count} panels have the id {identifier}"
    for title, count in Counter(panel["title"] for panel in panels(dashboard)).items():
        if count > 1:
            yield f"{count} panels are called {title}"
    text = json.dumps(dashboard)
    for variable in dashboard["templating"]["list"]:
        if f"${variable['name']}\\\"" not in text:
            yield f"nothing uses the variable {variable['name']}"
    known = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval"}
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        if place["x"] + place["w"] > 24 or cells & taken:
            yield f"{panel['title']}: it is outside the grid, or on another panel"
        taken |= cells
    for panel in panels(dashboard):
        for fault in faults_of_panel(panel, known):
            yield f"{panel['title']!r}: {fault}"


def faults_of_panel(panel, variables):
    if not panel["title"] or not panel.get("description"):
        yield "it has no title or no description"
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield "it has no unit"
    if "libraryPanel" in panel:
        yield "it is a library panel, which only one Grafana has"
    if panel["datasource"] != DATASOURCE or not panel["targets"]:
        yield "it does not ask the data source prometheus"
    if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
        yield "two queries have the same refId"
    for target in panel["targets"]:
        if target["datasource"] != DATASOURCE:
            yield "a query does not ask the data source prometheus"
        if unknown := set(re.findall(r"\$(\w+)", target["expr"])) - variables:
            yield f"there is no variable {', '.join(unknown)}"
        if re.search(r"server\d|\d+\.\d+\.\d+\.\d+|localhost", target["expr"]):
            yield "a query has the name of an instance in it"
