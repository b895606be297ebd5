"""An OpenAPI document that answers are held to."""

from __future__ import annotations

import re
from typing import Any

from openapi_schema_validator import OAS30Validator

from tests.asking import Answer

METHODS = ("get", "post", "put", "delete", "patch")
JSON = ("application/json", "application/problem+json")
# Headers of HTTP itself, which the document need not list. RFC 6749 asks for the obsolete Pragma.
PLAIN_HEADERS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "date", "pragma",
    "server", "transfer-encoding", "x-content-type-options",
})  # fmt: skip


class Described:
    """What a document says of the answers.

    Args:
        document: an OpenAPI document.
        closed: fields and headers that it does not have are an error, although answers may gain
            some.
    """

    def __init__(self, document: dict[str, Any], *, closed: bool = False) -> None:
        self.document = document
        self._closed = closed
        schemas = document["components"]["schemas"]
        # RFC 9457 problems may have members of their own.
        self._schemas = {
            name: _closed(schema) if closed and name != "Problem" else schema
            for name, schema in schemas.items()
        }

    @property
    def operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The operations by method and path."""
        return {
            (method.upper(), path): item[method]
            for path, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        }

    def find(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        """The path's template and the operation of a request."""
        paths = self.document["paths"]
        plain = path.partition("?")[0]
        if plain not in paths:
            found = [t for t in paths if re.fullmatch(re.sub(r"{\w+}", "[^/]+", t), plain)]
            plain = min(found, key=lambda template: template.count("{"))
        return plain, paths[plain][method.lower()]

    def statuses(self, operation: dict[str, Any]) -> set[int]:
        """The statuses that an operation lists."""
        return {int(status) for status in operation["responses"] if status != "default"}

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Hold an answer to its description."""
        where = (method, path, answer.status)
        _, operation = self.find(method, path)
        described = operation["responses"].get(str(answer.status))
        assert described, (*where, answer.body)
        described = self.resolved(described)
        if self._closed:
            sent = {name.lower() for name in answer.headers} - PLAIN_HEADERS
            assert sent <= {name.lower() for name in described["headers"]}, where
        for name, header in described["headers"].items():
            if name in answer.headers and self.resolved(header)["schema"]["type"] == "integer":
                assert answer.headers[name].isdigit(), (*where, name)
        if "content" not in described:
            assert answer.body == b"", where
            return
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in described["content"], (*where, kind)
        if kind in JSON:
            self.validate(described["content"][kind]["schema"], answer.json)

    def validate(self, schema: dict[str, Any], value: Any) -> None:
        """Hold a value to a schema."""
        components = {"schemas": self._schemas}
        OAS30Validator({**schema, "components": components}).validate(value)

    def resolved(self, described: dict[str, Any]) -> dict[str, Any]:
        """A response or a header, which may be a reference."""
        if "$ref" not in described:
            return described
        found: Any = self.document
        for step in described["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if "properties" in closed and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed
