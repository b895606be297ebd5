"""Refresh tokens: used once, renewed by several pages at once, and ended with their family."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from alphapulse_api.config import AuthConfig
from alphapulse_api.domain import times
from alphapulse_api.storage.tables import refresh_tokens
from alphapulse_api.storage.tables.refresh_tokens import MAX_SUCCESSORS
from tests.conftest import Serve, Server
from tests.logins import login, me, refresh, refused


async def test_refresh_tokens_rotate_and_a_second_use_ends_the_family(server: Server) -> None:
    first = (await login(server)).json
    other_family = (await login(server)).json
    second = (await refresh(server, first["refresh_token"])).json
    assert second["refresh_token"] != first["refresh_token"]
    assert second["role"] == "admin"
    assert await me(server, second["access_token"]) == 200
    third = (await refresh(server, second["refresh_token"])).json
    refused(await refresh(server, first["refresh_token"]), 401, "invalid_grant")
    refused(await refresh(server, third["refresh_token"]), 401, "invalid_grant")
    assert (await refresh(server, other_family["refresh_token"])).status == 200


async def test_without_a_grace_at_most_one_of_those_who_refresh_at_once_gets_tokens(
    serve: Serve,
) -> None:
    server = await serve(auth=AuthConfig(refresh_grace=0))
    pair = (await login(server)).json
    answers = await asyncio.gather(*(refresh(server, pair["refresh_token"]) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401, 401]


async def test_a_refresh_whose_answer_was_lost_can_be_sent_again(server: Server) -> None:
    pair = (await login(server)).json
    await refresh(server, pair["refresh_token"])
    again = (await refresh(server, pair["refresh_token"])).json
    assert await me(server, again["access_token"]) == 200
    third = (await refresh(server, again["refresh_token"])).json
    assert await me(server, third["access_token"]) == 200


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_pages_that_refresh_at_once_both_stay_signed_in(
    server: Server, order: tuple[int, int]
) -> None:
    pair = (await login(server)).json
    renewals = (refresh(server, pair["refresh_token"]) for _ in range(2))
    pages = [answer.json for answer in await asyncio.gather(*renewals)]
    for _ in range(3):  # each renews on its own from here on
        for page in order:
            assert await me(server, pages[page]["access_token"]) == 200
            renewed = await refresh(server, pages[page]["refresh_token"])
            assert renewed.status == 200
            pages[page] = renewed.json


async def test_a_token_has_only_so_many_successors(server: Server) -> None:
    pair = (await login(server)).json
    answers = [await refresh(server, pair["refresh_token"]) for _ in range(MAX_SUCCESSORS + 2)]
    renewed = [await refresh(server, answer.json["refresh_token"]) for answer in answers]
    assert [answer.status for answer in renewed] == [401] * 2 + [200] * MAX_SUCCESSORS


async def test_reuse_after_the_grace_ends_every_page(server: Server) -> None:
    pair = (await login(server)).json
    pages = [(await refresh(server, pair["refresh_token"])).json for _ in range(2)]
    renewed = (await refresh(server, pages[0]["refresh_token"])).json
    # A successor was used, so the grace of the first token is over.
    refused(await refresh(server, pair["refresh_token"]), 401, "invalid_grant")
    for page in (pages[1], renewed):
        refused(await refresh(server, page["refresh_token"]), 401, "invalid_grant")
        assert await me(server, page["access_token"]) == 401


async def test_the_grace_is_over_once_the_successor_was_used(server: Server) -> None:
    first = (await login(server)).json
    second = (await refresh(server, first["refresh_token"])).json
    third = (await refresh(server, second["refresh_token"])).json
    refused(await refresh(server, first["refresh_token"]), 401, "invalid_grant")
    refused(await refresh(server, third["refresh_token"]), 401, "invalid_grant")


async def test_the_grace_is_over_in_time(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(refresh_grace=0.05))
    pair = (await login(server)).json
    successor = (await refresh(server, pair["refresh_token"])).json
    await asyncio.sleep(0.06)
    refused(await refresh(server, pair["refresh_token"]), 401, "invalid_grant")
    refused(await refresh(server, successor["refresh_token"]), 401, "invalid_grant")
    assert await me(server, successor["access_token"]) == 401


async def test_the_grace_is_no_longer_where_the_clock_is_set_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (await login(server)).json
    successor = (await refresh(server, pair["refresh_token"])).json
    monkeypatch.setattr(refresh_tokens, "now", lambda: times.now() - timedelta(hours=2))
    refused(await refresh(server, pair["refresh_token"]), 401, "invalid_grant")
    refused(await refresh(server, successor["refresh_token"]), 401, "invalid_grant")
