"""Templates of titles and messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.templates import Template

VALUES = {"name": "Loss", "value": 0.12345, "threshold": 10.0, "operator": ">", "window": "5m"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{name}: {value} {operator} {threshold}", "Loss: 0.12345 > 10"),
        ("{value:.2f} {value:.1%} {threshold:.3g}", "0.12 12.3% 10"),
        ("{labels.symbol} in {labels.none}.", "{0.__class__} in ."),
        ("{{value}} {{{value:.1f}}}", "{value} {0.1}"),
        ("", ""),
    ],
)
def test_placeholders_are_replaced_and_nothing_in_their_values(text: str, rendered: str) -> None:
    assert Template(text).render(VALUES, {"symbol": "{0.__class__}"}) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "{", "}", "{value", "value}", "{}", "{0}", "{value.__class__}", "{name.x}", "{other}",
        "{value:d}", "{value:>99999999}", "{name:.2f}", "{labels.}", "{value!r}", "{{value}",
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Template(text)


def test_only_labels_that_there_may_be_can_be_named() -> None:
    assert Template("{labels.book}", {"book"}).render({}, {"book": "main"}) == "main"
    with pytest.raises(ValueError, match="labels here are: book"):
        Template("{labels.symbol}", {"book"})


def test_a_number_that_is_missing_is_a_dash() -> None:
    assert Template("{value:.2f}{window}").render({"value": None}, {}) == "–"


@given(st.text(alphabet="{}labes.vu:2f%"))
def test_any_text_is_refused_or_can_be_rendered(text: str) -> None:
    try:
        template = Template(text)
    except ValueError:
        return
    template.render(VALUES, {})
