"""The schema's migrations: their order is the same for everybody."""

from __future__ import annotations

from alphapulse_api.storage.schema_versions import migrations
from alphapulse_api.storage.sqlite.schema import COLUMN_TYPES


def test_each_migration_has_a_version_of_its_own() -> None:
    versions = [step.version for step in migrations(COLUMN_TYPES)]
    assert versions == list(range(1, len(versions) + 1))
