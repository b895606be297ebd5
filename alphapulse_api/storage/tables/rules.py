"""Rules: made, changed and deleted by the API, or stated in the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.errors import Conflict, NotFound, StartupError
from alphapulse_api.domain.rules import MAX_RULES
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.columns import BOOLEAN, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.listing import read_rows
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.rule_states import groups_of

COLUMNS: Final = Columns(
    "rules",
    {
        "id": PLAIN,
        "origin": PLAIN,
        "enabled": BOOLEAN,
        "definition": JSON,
        "revision": PLAIN,
        "changed_at": TIME,
        "created_at": TIME,
        "updated_at": TIME,
        "firing": PLAIN,
        "pending": PLAIN,
        "error": PLAIN,
    },
)
_BY_ID: Final = Order(("id",), (str,), descending=False)
_SELECT: Final = f"SELECT {COLUMNS.select} FROM rules WHERE id = $1"
_UPDATE: Final = (
    "UPDATE rules SET origin = $2, enabled = $3, definition = $4, revision = $5, changed_at = $6, "
    "created_at = $7, updated_at = $8, firing = $9, pending = $10, error = $11 WHERE id = $1"
)
# Changes of these fields alone leave the states of a rule as they are.
_SHOWN_ONLY: Final = frozenset({"name", "severity", "title", "message", "labels"})
_API: Final = "api"
_CONFIG: Final = "config"
Rule = dict[str, Any]


class RuleDataAccessor:
    """Reads and writes rules."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_rules(self, limit: int = 100, cursor: str | None = None) -> Page:
        """One page, by id; raises `ValidationProblem` for a foreign cursor."""
        listing = Listing("rules")
        rows, more = await read_rows(self._engine, COLUMNS, _BY_ID, listing, Where(), limit, cursor)
        following = _BY_ID.cursor(listing, COLUMNS, rows[-1]) if more else None
        return Page(rows, _shown, following, bulk=COLUMNS.bulk)

    async def get_rule(self, rule_id: str) -> Rule:
        """One rule, with `groups`: those that are pending or firing. Raises `NotFound`."""
        rows = await self._engine.fetch(_SELECT, rule_id)
        if not rows:
            raise _unknown(rule_id)
        return {**_shown(rows, False)[0], "groups": await groups_of(self._engine, rule_id)}

    async def versions(self) -> dict[str, tuple[Any, ...]]:
        """What differs after a change of a rule that is enabled, by id; states do not count."""
        rows = await self._engine.fetch("SELECT id, revision, updated_at FROM rules WHERE enabled")
        return {rule_id: tuple(version) for rule_id, *version in rows}

    async def stored(self) -> list[Rule]:
        """All rules that are enabled, as they are evaluated: with `revision` and `changed_at`."""
        rows = await self._engine.fetch(f"SELECT {COLUMNS.select} FROM rules WHERE enabled")
        return [
            {**rule["definition"], **rule, "changed_at": to_micros(rule["changed_at"])}
            for rule in COLUMNS.records(rows)
        ]

    async def add_rule(self, rule: Mapping[str, Any], *, actor: Actor) -> Written:
        """Store a validated rule with an id; return it, and whether it is new.

        Raises:
            Conflict: if the id exists with other content, or if there are too many rules.
        """

        async def work(transaction: Transaction) -> Written:
            before = await self._locked(transaction, rule["id"])
            if before is not None:
                if _content(before) != _content(_split(rule)):
                    raise Conflict(f"{rule['id']!r} exists already, with another definition.")
                return _public(before), False
            ((count,),) = await transaction.fetch("SELECT count(*) FROM rules")
            if count >= MAX_RULES:
                raise Conflict(f"There are {count} rules already, which is the most.")
            return await self._insert(transaction, rule, _API, actor), True

        return await self._engine.write(work)

    async def set_rule(self, rule: Mapping[str, Any], *, actor: Actor) -> Rule:
        """Store a validated rule in place of the one with its id, if there is one.

        Raises:
            Conflict: if the configuration states it.
        """

        async def work(transaction: Transaction) -> Rule:
            before = await self._locked(transaction, rule["id"])
            if before is None:
                return await self._insert(transaction, rule, _API, actor)
            _check_free(before)
            return await self._replace(transaction, before, rule, actor)

        return await self._engine.write(work)

    async def delete_rule(self, rule_id: str, *, actor: Actor) -> Rule:
        """Delete a rule and return it; its alerts are resolved soon after.

        Raises:
            NotFound: if there is none.
            Conflict: if the configuration states it.
        """

        async def work(transaction: Transaction) -> Rule:
            before = await self._locked(transaction, rule_id)
            if before is None:
                raise _unknown(rule_id)
            _check_free(before)
            await self._delete(transaction, before, actor)
            return _public(before)

        return await self._engine.write(work)

    async def set_configured(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Store the rules of the configuration, and delete those that it states no longer.

        Raises:
            StartupError: if a rule that was made by the API has the id of one.
        """
        actor = Actor("configuration", "system")
        wanted = {rule["id"]: rule for rule in rules}

        async def work(transaction: Transaction) -> None:
            rows = await transaction.fetch(
                f"SELECT {COLUMNS.select} FROM rules ORDER BY id {self._engine.locked}"
            )
            known = {rule["id"]: rule for rule in COLUMNS.records(rows)}
            for rule_id, before in known.items():
                if before["origin"] == _CONFIG and rule_id not in wanted:
                    await self._delete(transaction, before, actor)
            for rule_id, rule in wanted.items():
                found = known.get(rule_id)
                if found is None:
                    await self._insert(transaction, rule, _CONFIG, actor)
                elif found["origin"] != _CONFIG:
                    raise StartupError(
                        f"rules: the id {rule_id!r} is that of a rule that was made by the API; "
                        "delete that rule, or choose another id"
                    )
                else:
                    await self._replace(transaction, found, rule, actor)

        await self._engine.write(work)

    async def _locked(self, transaction: Transaction, rule_id: str) -> Rule | None:
        rows = await transaction.fetch(f"{_SELECT} {self._engine.locked}", rule_id)
        return COLUMNS.read(rows[0]) if rows else None

    async def _insert(
        self, transaction: Transaction, rule: Mapping[str, Any], origin: str, actor: Actor
    ) -> Rule:
        instant = now()
        new = {
            **_split(rule), "origin": origin, "revision": to_micros(instant), "firing": 0,
            "pending": 0, "changed_at": instant, "created_at": instant, "updated_at": instant,
        }  # fmt: skip
        # A concurrent insert of the same id waits, and then fails as a repeat would.
        added = await transaction.execute(
            f"{COLUMNS.insert} ON CONFLICT (id) DO NOTHING", *COLUMNS.store(new)
        )
        if not added:
            raise Conflict(f"{rule['id']!r} exists already: it was made at the same time.")
        await note(transaction, Deed(actor, "rule.create", rule["id"], after=_content(new)))
        transaction.publish(invalidation("rules"))
        return _public(new)

    async def _replace(
        self, transaction: Transaction, before: Rule, rule: Mapping[str, Any], actor: Actor
    ) -> Rule:
        given = _split(rule)
        if _content(given) == _content(before):
            return _public(before)
        after = {**before, **given, "updated_at": now()}
        if _evaluated(given) != _evaluated(before):
            # From the time, so that the revisions of a rule that is deleted and made again differ.
            revision = max(to_micros(after["updated_at"]), before["revision"] + 1)
            after |= {
                "revision": revision, "changed_at": after["updated_at"], "firing": 0, "pending": 0,
                "error": None,
            }  # fmt: skip
        await transaction.execute(_UPDATE, *COLUMNS.store(after))
        old, new = _content(before), _content(after)
        await note(transaction, Deed(actor, "rule.update", rule["id"], before=old, after=new))
        transaction.publish(invalidation("rules"))
        return _public(after)

    async def _delete(self, transaction: Transaction, rule: Rule, actor: Actor) -> None:
        await transaction.execute("DELETE FROM rules WHERE id = $1", rule["id"])
        await note(transaction, Deed(actor, "rule.delete", rule["id"], before=_content(rule)))
        transaction.publish(invalidation("rules"))


def _split(rule: Mapping[str, Any]) -> Rule:
    """The columns that users set, of a validated rule."""
    definition = {name: value for name, value in rule.items() if name not in ("id", "enabled")}
    return {"id": rule["id"], "enabled": rule["enabled"], "definition": definition}


def _content(rule: Mapping[str, Any]) -> Rule:
    """What users set."""
    return {"enabled": rule["enabled"], **rule["definition"]}


def _evaluated(rule: Mapping[str, Any]) -> Rule:
    """The same without what is only shown."""
    return {name: value for name, value in _content(rule).items() if name not in _SHOWN_ONLY}


def _shown(rows: Sequence[Row], plain: bool) -> list[Rule]:
    return [_public(rule) for rule in COLUMNS.records(rows, plain)]


def _public(rule: Mapping[str, Any]) -> Rule:
    """A rule as users see it."""
    state = (
        "disabled" if not rule["enabled"]
        else "error" if rule.get("error")
        else "firing" if rule["firing"]
        else "pending" if rule["pending"]
        else "ok"
    )  # fmt: skip
    return {
        "id": rule["id"],
        **FIELDS,
        **rule["definition"],
        "enabled": rule["enabled"],
        "origin": rule["origin"],
        "state": state,
        "error": rule.get("error"),
        "firing": rule["firing"],
        "pending": rule["pending"],
        "created_at": rule["created_at"],
        "updated_at": rule["updated_at"],
    }


# The fields of a definition, in the order in which they are shown; None: left out.
FIELDS: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        "name", "enabled", "watch", "metric_type", "metric_name", "matchers", "book", "agent_id",
        "component", "field", "function", "window", "operator", "threshold", "threshold_series",
        "for", "recover", "keep_firing_for", "severity", "title", "message", "labels", "group_by",
    )
)  # fmt: skip


def _check_free(rule: Rule) -> None:
    """Refuse to change a rule of the configuration."""
    if rule["origin"] == _CONFIG:
        raise Conflict(
            f"The rule {rule['id']!r} is stated in the configuration: change it there, and restart "
            "the server."
        )


def _unknown(rule_id: str) -> NotFound:
    return NotFound(f"There is no rule {rule_id!r}.")
