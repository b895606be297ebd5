"""The triggers of tables that are only appended to, for PostgreSQL."""

from __future__ import annotations

from alphapulse_api.storage.append_only import AppendOnly


def guards(kept: AppendOnly) -> tuple[str, ...]:
    """The statements that create them."""
    table, age, fixed = kept
    # The schema is named, because another search_path may be in force where the trigger runs.
    function = f"""
        CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE expired boolean;
        BEGIN
            IF TG_OP = 'DELETE' THEN
                EXECUTE format('SELECT $1 < before FROM %I.{kept.expiry}', TG_TABLE_SCHEMA)
                INTO expired USING OLD.{age};
                IF expired THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'rows of {table} are never changed';
        END $$"""
    run = f"EXECUTE FUNCTION {table}_guard()"
    return (
        function,
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE OF {', '.join(fixed)} ON {table} "
        f"FOR EACH ROW {run}",
        f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW {run}",
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {run}",
    )
