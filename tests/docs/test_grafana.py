"""What conf/grafana-dashboard.json asks for is there, in the types that it says.

Queries are put together and answers read as the Infinity data source does (grafana/
grafana-infinity-datasource, pkg/infinity/request.go; grafana/infinity-libs, lib/go/jsonframer and
gframer/field.go): a URL under the data source's, parameters with the variables in them, a GJSON
path to the rows, a GJSON path to each column, and a conversion that leaves a cell empty where it
fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.analysis import FIRST, TODAY, fed
from tests.asking import ask
from tests.commands import ROOT
from tests.conftest import Server

DASHBOARD = json.loads((ROOT / "conf/grafana-dashboard.json").read_text(encoding="utf-8"))
(SOURCE,) = yaml.safe_load((ROOT / "conf/grafana-datasource.yaml").read_text(encoding="utf-8"))[
    "datasources"
]
VARIABLES = DASHBOARD["templating"]["list"]
QUERIES = {
    **{panel["title"]: panel["targets"][0] for panel in DASHBOARD["panels"]},
    **{v["name"]: v["query"]["infinityQuery"] for v in VARIABLES if v["type"] == "query"},
}
# Of the fed account: drawdown is asked for by name, the other chart by what is chosen.
CHOSEN = {"metric_type": "risk", "name": "var_95"}


def iso(moment: datetime) -> str:
    """As `date:iso` has it: UTC, with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


TIMES = {
    "__from:date:iso": iso(FIRST - timedelta(days=1)),
    "__to:date:iso": iso(TODAY + timedelta(hours=1)),
}


def interpolated(text: str) -> str:
    """With Grafana's variables replaced: `$name`, `${name}`, `${name:format}`."""
    known = {**CHOSEN, **TIMES}
    return re.sub(r"\$\{([^}]+)\}|\$(\w+)", lambda found: known[found[1] or found[2]], text)


def at(value: Any, path: str) -> Any:
    """What is at a GJSON path of plain keys and indices; None if nothing is."""
    for step in path.split(".") if path else ():
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _string(value: Any) -> str:
    # An object becomes its JSON.
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: Any) -> float:
    assert not isinstance(value, bool)
    return float(value)


def _boolean(value: Any) -> bool:
    assert isinstance(value, bool)
    return value


def _timestamp(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    assert moment.tzinfo is not None
    return moment


CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
}


async def asked(server: Server, query: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query, converted; a cell that cannot be converted fails."""
    assert (query["type"], query["source"], query["parser"]) == ("json", "url", "backend")
    assert query["format"] in {"table", "timeseries"}
    url, header = query["url"], SOURCE["jsonData"]["apiKeyKey"]
    assert url.startswith("/")  # under the data source's
    options = query["url_options"]
    params = [(p["key"], interpolated(p["value"])) for p in options["params"]]
    key = (await server.key(name="grafana"))["X-API-Key"]
    path = interpolated(url)
    answer = await ask(server, options["method"], path, {header: key}, params=params)
    assert answer.status == 200, answer.body
    rows = at(answer.json, query["root_selector"])
    rows = rows if isinstance(rows, list) else [rows]
    return [
        {
            column["selector"]: None if cell is None else CONVERT[column["type"]](cell)
            for column in query["columns"]
            for cell in [at(row, column["selector"])]
        }
        for row in rows
    ]


@pytest.fixture
async def account(server: Server) -> Server:
    """A server that has something for every panel."""
    await fed(server.feed)
    return server


async def test_every_query_gets_rows_with_its_columns_in_their_types(account: Server) -> None:
    targets = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert [QUERIES[panel["title"]] for panel in DASHBOARD["panels"]] == targets
    for title, query in QUERIES.items():
        rows = await asked(account, query)
        assert rows, title
        for column in query["columns"]:
            # Another name would hide the column: the plugin looks it up by its selector.
            assert column["text"] == ""
            name = column["selector"]
            assert any(row[name] is not None for row in rows), (title, name)


async def test_what_is_drawn_over_time_is_in_its_order(account: Server) -> None:
    """LongToWide of Grafana's SDK, which makes the lines, refuses rows that go back in time."""
    drawn = [panel for panel in DASHBOARD["panels"] if panel["type"] == "timeseries"]
    for panel in drawn:
        (query,) = panel["targets"]
        assert query["format"] == "timeseries"
        kinds = [column["type"] for column in query["columns"]]
        assert kinds.count("timestamp") == 1
        assert "number" in kinds
        moments = [row["timestamp"] for row in await asked(account, query)]
        assert moments == sorted(moments)
        assert len(set(moments)) > 10


async def test_the_variables_offer_what_the_chart_then_finds(account: Server) -> None:
    chart = next(p for p in DASHBOARD["panels"] if p.get("repeat"))
    offered = {
        name: {
            row[name if name == "metric_type" else "name"] for row in await asked(account, query)
        }
        for name, query in QUERIES.items()
        if name in CHOSEN
    }
    assert offered == {"metric_type": {"risk"}, "name": {"var_95", "current_drawdown"}}
    # A parameter takes one name: with several chosen, there is a panel for each.
    assert chart["repeat"] == "name"


async def test_the_names_that_the_panels_give_to_columns_are_of_columns(account: Server) -> None:
    for panel in DASHBOARD["panels"]:
        columns = {column["selector"] for column in panel["targets"][0]["columns"]}
        renamed = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
        assert renamed <= columns, panel["title"]


def test_the_data_source_is_the_one_that_the_dashboard_asks_for() -> None:
    # A variable, not an `__inputs`: those are filled in by the import page alone, not where a
    # dashboard is provisioned from a file (grafana/grafana#10786).
    (choice,) = [variable for variable in VARIABLES if variable["type"] == "datasource"]
    assert choice["query"] == SOURCE["type"]
    wanted = {"type": SOURCE["type"], "uid": f"${{{choice['name']}}}"}
    users = [*DASHBOARD["panels"], *QUERIES.values(), *(v for v in VARIABLES if v != choice)]
    assert all(user["datasource"] == wanted for user in users)
    # Its secret comes from the environment.
    assert SOURCE["secureJsonData"] == {"apiKeyValue": "$AP_API_KEY"}
