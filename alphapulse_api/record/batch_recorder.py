"""Records batches: checks, completes, stores and publishes all records, or those that are valid.

It also imports records of the past. Resources differ in how records are completed and which store
takes them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from marshmallow import Schema

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.domain.errors import VALIDATION, Conflict, NotFound
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.batches import Refused, loading_each, outcomes_of, result_of
from alphapulse_api.record.completion import Stored
from alphapulse_api.record.inputs import Extras, Record, with_extras
from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.runtime.slices import Steps, releasing
from alphapulse_api.schemas.batches import STOP
from alphapulse_api.schemas.loading import Faults, Refusal, load, loading, short
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.book_directory import unknown

Owner = Mapping[str, Any]  # fields that are the same in every record of a call
NOBODY: Final[Owner] = {}


class AddAll(Protocol):
    """Stores completed records; see `TradeStore.add_trades`."""

    async def __call__(
        self,
        records: Sequence[Mapping[str, Any]],
        /,
        *,
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None,
        events: bool,
    ) -> list[Written]: ...


class BatchRecorder(Recorder):
    """Records batches of one resource.

    Args:
        resources: what it records with.
        request: the schema of a record.
        past: the schema of an imported record.

    Attributes:
        resource: the name of the resource, and of its channel, if it has one.
        logged: the name of its events in `LOGGED`, where it is another one.
        booked: whether the records are in books.
    """

    resource: ClassVar[str]
    logged: ClassVar[str] = ""
    booked: ClassVar = True

    def __init__(self, resources: Resources, request: type[Schema], past: type[Schema]) -> None:
        super().__init__(resources)
        self._one = resources.clocked(request())
        self._many = resources.clocked(request(many=True))
        self._past = resources.clocked(past(many=True))

    @abstractmethod
    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        """The completed record, and the fields of it that the server set."""

    @property
    @abstractmethod
    def _add_all(self) -> AddAll:
        """The store's method for completed records."""

    def _completing(
        self, records: list[dict[str, Any]], books: Books
    ) -> Steps[list[frozenset[str]]]:
        """Complete records in place; returns the fields of each that the server set.

        Raises:
            NotFound: if the book of a record is not among `books`.
        """
        server_set = []
        for index, record in enumerate(records):
            if self.booked:
                books.place(record)
            records[index], names = self._complete(record)
            server_set.append(names)
            yield
        return server_set

    async def record_one(self, given: Record, books: Books, extras: Extras) -> Stored:
        """Record one record; returns it as stored."""
        loaded = load(self._one, with_extras(self._one, given, extras))
        books.place(loaded)
        await self._accessors.directory.check(loaded["book"])
        record, server_set = self._complete(loaded)
        # Pointers of the errors have no index for a single record, as in a batch that reports on
        # each record.
        conflicts: dict[int, Conflict] = {}
        ((stored, new),) = await self._store([record], [server_set], conflicts)
        if conflicts:
            raise conflicts[0]
        return Stored(stored, new)

    async def record_batch(
        self,
        given: list[Any],
        books: Books,
        on_error: str,
        extras: Extras = "refuse",
        owner: Owner = NOBODY,
    ) -> dict[str, Any]:
        """Record a batch and report on each record: the answer of `BatchResult`."""
        given = self._given(given, extras)
        refused: Refused = {}
        positions: Sequence[int]
        if on_error == STOP:
            records = await self._slices.run(loading(self._many, given))
            positions = range(len(records))
            self._own(records, owner)
        else:
            loaded = await self._slices.run(loading_each(self._one, given, refused))
            strangers = _strangers(loaded, owner)
            refused.update((n, Refusal.of(faults.problem())) for n, faults in strangers.items())
            if self.booked:
                await self._slices.run(_misplaced(loaded, books, refused))
                missing = await self._missing_books(loaded.values())
                refused.update(
                    (n, Refusal(VALIDATION.status, short(f"/book: {unknown(record['book'])}")))
                    for n, record in loaded.items()
                    if record.get("book") in missing
                )
            records = [loaded[n] for n in loaded if n not in refused]
            positions = [n for n in loaded if n not in refused]
            loaded.clear()
        server_set = await self._slices.run(self._completing(records, books))
        if on_error == STOP:
            await self._check_books(records)
        conflicts: dict[int, Conflict] = {}
        stored = await self._store(records, server_set, None if on_error == STOP else conflicts)
        await self._slices.run(releasing(records))
        refused.update((positions[n], Refusal.of(conflict)) for n, conflict in conflicts.items())
        results = await self._slices.run(outcomes_of(positions, stored))
        await self._slices.run(releasing(stored))
        return await self._slices.run(result_of(len(given), refused, results))

    async def record_past(
        self, given: list[Any], books: Books, extras: Extras, last: bool, owner: Owner = NOBODY
    ) -> int:
        """Store records of an imported history, all or none; returns how many are new.

        Args:
            given: the records.
            books: the books that they may be in.
            extras: what to do with unknown fields.
            last: whether it is the last batch, after which subscribers get a `resync`.
            owner: fields that every record has.
        """
        given = self._given(given, extras)
        records = await self._slices.run(loading(self._past, given))
        self._own(records, owner)
        server_set = await self._slices.run(self._completing(records, books))
        await self._check_books(records)
        stored = await self._store(records, server_set, events=False)
        if last:
            await self.resync()
        return sum(new for _, new in stored)

    async def resync(self) -> None:
        """Make the subscribers of the channel, if there is one, read it again."""
        if self._events in LOGGED:
            await self._publisher.resync(self._events)

    @property
    def _events(self) -> str:
        return self.logged or self.resource

    async def _missing_books(self, records: Iterable[Mapping[str, Any]]) -> set[str]:
        """The books of records that do not exist."""
        if not self.booked:
            return set()
        return await self._accessors.directory.missing({record["book"] for record in records})

    async def _check_books(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Check that the books of all records exist; raises `ValidationProblem`."""
        if missing := await self._missing_books(records):
            faults = Faults()
            for number, record in enumerate(records):
                if record["book"] in missing:
                    faults.add(f"/{number}/book", unknown(record["book"]))
            raise faults.problem()

    def _given(self, records: list[Any], extras: Extras) -> list[Any]:
        if extras == "refuse":
            return records
        return [with_extras(self._one, record, extras) for record in records]

    def _own(self, records: list[dict[str, Any]], owner: Owner) -> None:
        """Set the owner's fields; raises `ValidationProblem` for a record of another owner."""
        strangers = _strangers(dict(enumerate(records)), owner, "/{}")
        faults = Faults()
        for stranger in strangers.values():
            faults.merge(stranger)
        if faults.count:
            raise faults.problem()

    async def _store(
        self,
        records: Sequence[dict[str, Any]],
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None = None,
        *,
        events: bool = True,
    ) -> list[Written]:
        """Each record as stored, and whether it is new."""
        work = self._add_all(records, server_set=server_set, conflicts=conflicts, events=events)
        stored = await self._publisher.stored(work, lambda: tags_of(self.resource, records))
        new = (
            record
            for n, (record, new) in enumerate(stored)
            if events and new and n not in (conflicts or ())
        )
        of_channel = new if self._events in LOGGED else ()
        await self._publisher.published(self.resource, of_channel, channel=self._events)
        return stored


def _misplaced(
    records: Mapping[int, dict[str, Any]], books: Books, refused: Refused
) -> Steps[None]:
    """Refuse the records whose book is not among `books`."""
    for number, record in records.items():
        try:
            books.place(record)
        except NotFound as problem:
            refused[number] = Refusal.of(problem)
        yield


def _strangers(
    records: Mapping[int, dict[str, Any]], owner: Owner, place: str = ""
) -> dict[int, Faults]:
    """Set the owner's fields in records; returns the faults of records of another owner."""
    strangers: dict[int, Faults] = {}
    for number, record in records.items():
        for name, value in owner.items():
            if record.setdefault(name, value) != value:
                faults = strangers.setdefault(number, Faults())
                faults.add(f"{place.format(number)}/{name}", f"Must be {value!r}, as in the path.")
    return strangers
