"""Compares compose.yaml with .env.example, the ports that are documented, and the rules for its services."""

import re
import sys
from pathlib import Path

import yaml

OPS = Path(__file__).parents[2]
PORTS = {"nginx": {8082, 8443}, "server1": {8002}, "server2": {8003}, "prometheus": {9092}, "grafana": {3002}, "pgadmin": {5051}}
# What their images have inside cannot run a health check; that of the servers is in their image.
WITHOUT_HEALTHCHECK = {"nginx-exporter", "redis-exporter", "postgres-exporter", "server1", "server2", "k6"}
PROBLEMS = []


def expect(condition, problem):
    if not condition:
        PROBLEMS.append(problem)


def variables(text, services):
    """The default of each variable, `None` for one that is required or has none."""
    found = {name: default for name, default in re.findall(r"(?<!\$)\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", text)}
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if value is None:
                found.setdefault(name, "")
    return found


def check_variables(compose, services):
    example = re.findall(r"^#?([A-Z]\w*)=(.*)$", (OPS / ".env.example").read_text(), re.MULTILINE)
    given = dict(example)
    expect(len(given) == len(example), ".env.example has a variable twice")
    used = variables(compose, services)
    expect(given.keys() - {"COMPOSE_PROJECT_NAME"} == used.keys(), f".env.example and compose.yaml differ in {given.keys() ^ used.keys()}")
    for name, default in used.items():
        expect(not default or given.get(name) == default, f"the default of {name} is {default}, not as in .env.example")
    for name in re.findall(r"\$\{(\w+):\?", compose):
        expect(given.get(name) == "" and name.endswith("_PASSWORD"), f"{name} is required and not an empty password in .env.example")


def check_images(services):
    dockerfile = (OPS / "docker/Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", dockerfile, re.MULTILINE))
    images = {image for image in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) if image not in stages}
    images |= {service["image"] for service in services.values() if "build" not in service}
    for image in images:
        expect(re.search(r":v?\d\S*\.\d|:trixie-\d{8}-slim$", image), f"{image} is not pinned")
    toolchain = re.search(r'channel = "(.*)"', (OPS.parent / "rust-toolchain.toml").read_text())[1]
    expect(f"rust:{toolchain}-slim-trixie" in images, f"the Dockerfile builds with another Rust than {toolchain}")
    expect(re.search(r"^USER [1-9]\d+:[1-9]\d+$", dockerfile, re.MULTILINE), "the image does not name a user that is not root, by its number")
    expect(re.search(r'^HEALTHCHECK .*"kverse-cli".*"health"', dockerfile, re.MULTILINE), "the image has no health check")


def check_ports(services):
    published = {}
    for name, service in services.items():
        for port in service.get("ports", []):
            match = re.fullmatch(r"\$\{BIND_ADDRESS:-127\.0\.0\.1\}:\$\{\w+:-(\d+)\}:\d+", port)
            expect(match, f"{name} publishes {port}: not at BIND_ADDRESS, or not at a port that can be chosen")
            if match:
                published.setdefault(name, set()).add(int(match[1]))
    expect(published == PORTS, f"published are {published}, and documented {PORTS}")


def check_services(services):
    for name, service in services.items():
        for rule in ("restart", "mem_limit", "pids_limit", "logging", "cap_drop", "security_opt"):
            expect(rule in service, f"{name} has no {rule}")
        expect("container_name" not in service, f"{name} has a container_name: there can be only one such project")
        expect(name in WITHOUT_HEALTHCHECK or "healthcheck" in service, f"{name} has no healthcheck")
        for other, how in service.get("depends_on", {}).items():
            expect(how["condition"] == "service_healthy", f"{name} does not wait until {other} is healthy")
    grace = {name: int(services[name]["stop_grace_period"].rstrip("s")) for name in ("server1", "server2")}
    timeout = int(services["server1"]["environment"]["KVERSE_SHUTDOWN_TIMEOUT"].rstrip("s"))
    expect(min(grace.values()) > timeout, f"servers are killed after {grace}, while they may take {timeout} s")


def main():
    compose = (OPS / "compose.yaml").read_text()
    document = yaml.safe_load(compose)
    services = document["services"]
    # docker-compose 1.29 knows no `name`, Compose v2 warns of `version`.
    expect(not document.keys() & {"name", "version"}, "compose.yaml has a name or a version")
    check_variables(compose, services)
    check_images(services)
    check_ports(services)
    check_services(services)
    sys.exit("\n".join(PROBLEMS) or None)


main()
