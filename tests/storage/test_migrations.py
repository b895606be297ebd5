"""The schema's migrations: their order is the same for everybody."""

from __future__ import annotations

import re

from alphapulse_api.storage.rekeyed import REKEYED
from alphapulse_api.storage.schema_versions import migrations
from alphapulse_api.storage.sqlite.schema import COLUMN_TYPES


def test_each_migration_has_a_version_of_its_own() -> None:
    versions = [step.version for step in migrations(COLUMN_TYPES)]
    assert versions == list(range(1, len(versions) + 1))


def test_tables_whose_rows_may_still_be_moved_only_get_more_columns() -> None:
    tables = "|".join(each.table for step in REKEYED.values() for each in step)
    for step in migrations(COLUMN_TYPES):
        if step.version > min(REKEYED):
            for statement in step.statements:
                allowed = re.match(rf"ALTER TABLE ({tables}) ADD COLUMN", statement)
                assert allowed or not re.search(rf"\b({tables})\b", statement), statement
