#!/usr/bin/env python3
"""Asks a Prometheus for every expression of every dashboard and rule until none is empty: live.py URL SECONDS."""

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request

import dashboards

URL, SECONDS = sys.argv[1].rstrip("/"), float(sys.argv[2])
KEYWORDS = {"and", "or", "unless", "bool", "offset"}
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
SELECTOR = re.compile(r'(?<![\w.$"])([a-zA-Z_:][\w:]*)\s*(\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\})?(?!\w|\s*\()')
# Not through a proxy of the environment.
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def api(path, **parameters):
    with open_url(f"{URL}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return json.load(answer)["data"]


def selectors(expression):
    """What an expression of an alert looks at: the alert itself is empty as long as all is well."""
    matches = SELECTOR.finditer(GROUPING.sub(" ", expression))
    return {name + (labels or "") for name, labels in (match.groups() for match in matches) if name not in KEYWORDS}


def is_empty(expression):
    """Whether nothing, or no number, comes of it."""
    try:
        result = api("query", query=expression)["result"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{expression}: {json.load(error)['error']}")
    return all(math.isnan(float(one["value"][1])) for one in result)


def rules():
    return [rule for group in api("rules")["groups"] for rule in group["rules"]]


def all_expressions():
    for dashboard in dashboards.load().values():
        yield from dashboards.expressions(dashboard)
    for rule in rules():
        if rule["type"] == "recording":
            yield rule["name"], rule["name"]
        else:
            looks_at = selectors(rule["query"])
            assert looks_at, rule
            yield from ((rule["name"], selector) for selector in looks_at)


def unwell():
    """Targets that are not up and rules that cannot be evaluated, or have not been yet."""
    for target in api("targets")["activeTargets"]:
        if target["health"] != "up":
            yield f"{target['scrapeUrl']}: {target['health']} {target['lastError']}"
    for rule in rules():
        if rule["health"] != "ok":
            yield f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}"


def left(check, items):
    return [item for item in items if check(item)]


deadline = time.monotonic() + SECONDS
expressions = sorted(set(all_expressions()))
empty, faults = expressions, list(unwell())
while (empty or faults) and time.monotonic() < deadline:
    time.sleep(0.5)
    empty = left(lambda one: is_empty(one[1]), empty)
    faults = list(unwell())

jobs = {target["labels"]["job"] for target in api("targets")["activeTargets"]}
if missing := {"kverse", "nginx", "redis", "postgres", "prometheus"} - jobs:
    faults.append(f"there is no target of {missing}")
# Nothing is wrong with the service. What has just been started may still be a target that is missing or down.
for alert in api("alerts")["alerts"]:
    if alert["state"] == "firing":
        faults.append(f"an alert fires: {alert['labels']} {alert['annotations']['description']}")
faults += [f"{name}: nothing comes of {expression}" for name, expression in empty]
print(*faults, sep="\n", file=sys.stderr)
print(f"{len(expressions)} expressions, {len(expressions) - len(empty)} with an answer; {len(rules())} rules")
sys.exit(bool(faults))
