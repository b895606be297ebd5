"""Decode each line of the standard input with the class of its type, and print the type."""

import json
import sys
from typing import get_args

import messages
from pydantic import BaseModel

CLASSES = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for name, kind in vars(messages).items()
    if isinstance(kind, type) and issubclass(kind, BaseModel) and "type" in kind.model_fields
    if not name.endswith("Request")  # those are for the server
}

for line in sys.stdin:
    decoded = CLASSES[json.loads(line)["type"]].model_validate_json(line)
    # Only classes that are not right for it, or too old, would leave something over.
    assert not decoded.model_extra, decoded
    print(json.loads(line)["type"])
