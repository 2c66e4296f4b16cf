#!/usr/bin/env python3
"""Checks what goes together in dashboards, alert rules, their tests and the runbook."""

import re
import sys
from pathlib import Path

import dashboards

OPS = Path(__file__).parents[2]


def found(pattern, paths):
    return [match for path in paths for match in re.findall(pattern, path.read_text(), re.MULTILINE)]


def faults_of_alerts():
    rules = list((OPS / "prometheus/rules").glob("*.yml"))
    alerts = found(r"^ +- alert: (\w+)$", rules)
    sections = found(r"^### (\w+)$", [OPS / "RUNBOOK.md"])
    tested = found(r'alertname="(\w+)"', (OPS / "tests/monitoring/rules").glob("*.yml"))
    for name in sorted({name for name in alerts if alerts.count(name) > 1}):
        yield f"several alerts are called {name}"
    for name in sorted(set(alerts) - set(sections)):
        yield f"RUNBOOK.md has no section {name}"
    for name in sorted(set(sections) - set(alerts)):
        yield f"no alert belongs to the section {name} of RUNBOOK.md"
    for name in sorted(set(alerts) - set(tested)):
        yield f"no test in {OPS}/tests/monitoring/rules lets {name} fire"
    for path in rules:
        for name, alert in re.findall(r"^ +- alert: (\w+)\n((?:(?! +- (?:alert|record):).*\n)*)", path.read_text(), re.MULTILINE):
            if f"runbook_url: ops/RUNBOOK.md#{name.lower()}\n" not in alert:
                yield f"the runbook_url of {name} does not lead to its section"
            for part in ("summary: ", "description: ", "labels: { severity: "):
                if part not in alert:
                    yield f"{name} has no {part.split(':')[0]}"
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in found(r"^#+ (.+)$", [OPS / "RUNBOOK.md"])}
    for anchor in sorted(set(found(r"\]\(#([^)]+)\)", [OPS / "RUNBOOK.md"])) - anchors):
        yield f"RUNBOOK.md has a link to {anchor}, which is not there"


faults = [*dashboards.faults(), *faults_of_alerts()]
print(*faults, sep="\n", file=sys.stderr)
sys.exit(bool(faults))
