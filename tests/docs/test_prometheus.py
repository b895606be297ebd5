"""conf/prometheus.yml can scrape, and conf/prometheus-rules.yml asks for what there is."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client.parser import text_string_to_metric_families

from alphapulse_api.config import CacheConfig, EventsConfig
from tests.asking import ask, problem, until_ready
from tests.commands import ROOT
from tests.conftest import Serve, Server

CONF = ROOT / "conf"
PROMETHEUS = yaml.safe_load((CONF / "prometheus.yml").read_text(encoding="utf-8"))
(SCRAPE,) = PROMETHEUS["scrape_configs"]
(RULES_FILE,) = PROMETHEUS["rule_files"]
GROUPS = yaml.safe_load((CONF / RULES_FILE).read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
TARGET = {"job", "instance"}  # labels that Prometheus adds itself

Labels = dict[str, set[str]]


async def scrape(server: Server, key: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples by name, asked for as the scrape configuration says."""
    ((header, _),) = SCRAPE["http_headers"].items()
    answer = await ask(server, "GET", SCRAPE["metrics_path"], {header: key})
    assert answer.status == 200, answer.body
    found = defaultdict(list)
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def selectors(expression: promql.Expr) -> list[promql.VectorSelector]:
    """Every selector of an expression."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(expression, visit)
    return found


def grouped(expression: promql.Expr) -> set[str]:
    """The labels that an expression groups by."""
    found: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.update(node.modifier.labels)

    promql.walk(expression, visit)
    return found


async def test_every_rule_asks_for_figures_that_are_there(serve: Serve, redis_url: str) -> None:
    server = await serve(
        cache=CacheConfig(type="redis", redis_url=redis_url),
        events=EventsConfig(type="redis", redis_url=redis_url),
    )
    _, key = await server.dashboard.accounts.create_api_key("prometheus", {"view_system"})
    await scrape(server, key)  # which is counted itself
    known: Labels = {"up": set()}  # Prometheus' own
    for name, samples in (await scrape(server, key)).items():
        known[name] = {label for labels, _ in samples for label in labels}
    for rule in RULES:
        expression = promql.parse(rule["expr"])
        asked = selectors(expression)
        assert asked, rule
        here = set(TARGET)
        for selector in asked:
            assert selector.name in known, f"{selector.name} of {rule}"
            here |= known[selector.name]
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= TARGET | known[selector.name], rule
        by = grouped(expression)
        assert by <= here, rule
        named = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        assert named <= (by or here), rule
        if "record" in rule:
            known[rule["record"]] = by - TARGET
        else:
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"]
        if "for" in rule:
            promql.parse_duration(rule["for"])


async def test_what_is_matched_by_value_begins_at_zero(server: Server) -> None:
    _, key = await server.dashboard.accounts.create_api_key("prometheus", {"view_system"})
    figures = await scrape(server, key)
    assert ({"reason": "slow_consumer"}, 0.0) in figures["alphapulse_websocket_closes_total"]
    assert figures["alphapulse_points_refused_total"] == [
        ({"reason": reason}, 0.0) for reason in ("full", "invalid", "failed")
    ]


async def test_the_key_of_the_scrape_reads_figures_and_nothing_of_the_trading(
    server: Server,
) -> None:
    _, key = await server.dashboard.accounts.create_api_key("prometheus", {"view_system"})
    assert "--scope view_system" in (CONF / "prometheus.yml").read_text(encoding="utf-8")
    assert await scrape(server, key)
    for path in ("/api/trades", "/api/portfolio", "/api/metrics"):
        problem(await ask(server, "GET", path, {"X-API-Key": key}), 403)


async def test_the_figures_show_a_database_that_is_away(server: Server) -> None:
    _, key = await server.dashboard.accounts.create_api_key("prometheus", {"view_system"})
    file = Path(server.backend.engine.location)
    aside = file.with_suffix(".aside")
    assert (await scrape(server, key))["alphapulse_database_up"] == [({}, 1.0)]
    os.rename(file, aside)
    problem(await ask(server, "GET", "/readyz"), 503)
    assert (await scrape(server, key))["alphapulse_database_up"] == [({}, 0.0)]
    os.rename(aside, file)
    await until_ready(server)
    assert (await scrape(server, key))["alphapulse_database_up"] == [({}, 1.0)]
