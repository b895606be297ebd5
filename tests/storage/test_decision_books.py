"""Decisions in books: links hold inside one book, and a closed book takes corrections only."""

from __future__ import annotations

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import Conflict, NotFound, ValidationProblem
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from tests.asking import DECISION, SIGNAL, TRADE
from tests.engines import relay_of


@pytest.fixture
async def feed(store: Accessors) -> Feed:
    feed = Feed(store, relay_of(store, MemoryCache(10**6), MemoryEventLog()))
    await feed.open_book("beta", mode="paper", currency="USD")
    return feed


async def test_a_record_of_another_book_reads_as_never_received(
    store: Accessors, feed: Feed
) -> None:
    await feed.record_trade({**TRADE, "id": "t1", "decision_id": "d1"})
    parts = {"signals": [{**SIGNAL, "id": "s2"}], "trades": [{**TRADE, "id": "t2"}]}
    beta = {**DECISION, "id": "d1", "book": "beta", **parts}
    await feed.record_decision(beta)
    assert (await store.decisions.explain_trade("t1"))["missing"] == ["decision d1"]
    with pytest.raises(NotFound):
        await store.decisions.get_decision("d1")
    of_beta = store.of(Books(("beta",))).decisions
    why = await of_beta.explain_trade("t2")
    assert (why["decision"]["id"], why["trade"]["book"]) == ("d1", "beta")
    assert [signal["id"] for signal in why["signals"]] == ["s2"]
    await feed.record_decision({**DECISION, "id": "d1"})  # the same id in the main book
    several = store.of(Books(("main", "beta"))).decisions
    with pytest.raises(Conflict, match="main"):
        await several.get_decision("d1")
    assert len(await several.get_decisions()) == 2
    assert (await of_beta.get_decision("d1"))["trade_ids"] == ["t2"]


async def test_a_part_of_another_book_is_refused(feed: Feed) -> None:
    with pytest.raises(ValidationProblem, match="/signals/0/book"):
        await feed.record_decision({**DECISION, "signals": [{**SIGNAL, "book": "beta"}]})


async def test_a_closed_book_takes_corrections_and_nothing_new(
    store: Accessors, feed: Feed
) -> None:
    await feed.record_decision({**DECISION, "id": "d1", "book": "beta"})
    await feed.open_book("beta", closed=True)
    with pytest.raises(Conflict, match="closed"):
        await feed.record_decision({**DECISION, "id": "d2", "book": "beta"})
    await feed.record_decision({**DECISION, "id": "d3", "book": "beta", "corrects": "d1"})
    kept = await store.of(Books(("beta",))).decisions.get_decisions()
    assert sorted(decision["id"] for decision in kept) == ["d1", "d3"]
