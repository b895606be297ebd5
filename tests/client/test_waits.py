"""When the client tries again, and when it renews its token; on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.credentials import Fixed, Login, Secret
from alphapulse_api.client.errors import ApiError, Unreachable


def test_the_bound_doubles_up_to_the_cap_and_the_wait_is_anywhere_below() -> None:
    backoff = Backoff(0.5, 20.0, rand=lambda: 1.0)
    assert [backoff.next() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    backoff.reset()
    assert backoff.next() == 0.5
    assert [Backoff(rand=lambda: 0.0).next() for _ in range(3)] == [0, 0, 0]
    tired = Backoff(rand=lambda: 1.0)
    assert [tired.next() for _ in range(5000)][-1] == 20


class Grants:
    """POST /token, by a script: what each call answers, or raises."""

    def __init__(self, *answers: Exception | int) -> None:
        self.answers = list(answers)
        self.forms: list[Mapping[str, str]] = []
        self.clock = 0.0

    async def __call__(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        self.forms.append(form)
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        number = len(self.forms)
        return {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": answer}

    def login(self) -> Login:
        return Login(self, "ann", "secret", lambda: self.clock)

    @property
    def kinds(self) -> list[str]:
        return [form["grant_type"] for form in self.forms]


async def test_a_token_is_renewed_before_it_ends_with_each_refresh_token_once() -> None:
    grants = Grants(3600, 3600, 10)
    login = grants.login()
    assert (await login.current()).value == "a1"
    assert login.renews_in() == 3540
    grants.clock = 3539
    assert (await login.current()).value == "a1"
    grants.clock = 3540
    assert (await login.current()).value == "a2"
    grants.clock += 3540
    assert (await login.current()).value == "a3"
    assert login.renews_in() == 4
    assert [form.get("refresh_token") for form in grants.forms] == [None, "r1", "r2"]


async def test_many_who_ask_at_once_renew_once() -> None:
    grants = Grants(3600)
    login = grants.login()
    secrets = await asyncio.gather(*(login.current() for _ in range(10)))
    assert {secret.value for secret in secrets} == {"a1"}
    assert len(grants.forms) == 1


async def test_a_refused_refresh_is_a_login() -> None:
    refused = ApiError(401, {"title": "no", "detail": "used twice"})
    grants = Grants(3600, refused, 3600)
    login = grants.login()
    secret = await login.current()
    assert login.reject(secret)
    assert (await login.current()).value == "a3"
    assert grants.kinds == ["password", "refresh_token", "password"]


async def test_a_refresh_whose_answer_was_lost_is_not_tried_again() -> None:
    grants = Grants(10, Unreachable("cut"), 10)
    login = grants.login()
    await login.current()
    grants.clock = 9
    with pytest.raises(Unreachable):
        await login.current()
    await login.current()
    assert grants.kinds == ["password", "refresh_token", "password"]


async def test_a_refused_login_is_the_callers_to_know() -> None:
    grants = Grants(ApiError(401, {"title": "no", "detail": "wrong"}))
    with pytest.raises(ApiError, match="wrong"):
        await grants.login().current()


def test_nothing_shows_a_secret() -> None:
    secret = Secret("api_key", "apk_secret")
    assert "apk_secret" not in repr(secret)
    assert "secret" not in repr(Grants().login())
    assert Fixed(secret).renews_in() is None
    assert not Fixed(secret).reject(secret)
