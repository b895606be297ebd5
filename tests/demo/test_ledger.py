"""The demo's account: every number exact."""

from decimal import Decimal as D

from alphapulse_api.demo.ledger import Fill, Ledger, fee_for


def fill(quantity: str, price: str, symbol: str = "IBM") -> Fill:
    return Fill(symbol, D(quantity), D(price))


def test_fee_is_five_basis_points_and_at_least_one_dollar() -> None:
    assert fee_for(D("100000")) == D("50.00")
    assert fee_for(D("-10001")) == D("5.00")
    assert fee_for(D("12")) == D("1.00")


def test_purchase_costs_its_value_and_fee() -> None:
    ledger = Ledger(D("100000.00"))
    assert ledger.apply(fill("100", "105.01"), day=3) == 0
    assert ledger.cash == D("89493.75")  # less 10501.00 and 5.25
    position = ledger.positions["IBM"]
    assert (position.quantity, position.entry_price) == (D(100), D("105.01"))
    assert position.opened_on_day == 3
    assert ledger.equity({"IBM": D("106.01")}) == D("100094.75")


def test_sale_realizes_the_oldest_lots_first() -> None:
    ledger = Ledger(D("10000"))
    ledger.apply(fill("10", "100"), day=0)
    ledger.apply(fill("10", "120"), day=1)
    assert ledger.positions["IBM"].entry_price == D("110.0000")
    assert ledger.apply(fill("-15", "130"), day=2) == D("350")  # 10 x 30 and 5 x 10
    position = ledger.positions["IBM"]
    assert (position.quantity, position.cost, position.realized_pnl) == (D(5), D(600), D(350))
    assert position.unrealized_pnl(D("130")) == 50
    assert position.opened_on_day == 0


def test_short_position_gains_when_the_price_falls() -> None:
    ledger = Ledger(D("10000"))
    ledger.apply(fill("-20", "50"), day=0)
    assert ledger.cash == D("10999.00")
    assert ledger.positions["IBM"].unrealized_pnl(D("45")) == 100
    assert ledger.value({"IBM": D("45")}) == -900
    assert ledger.gross_value({"IBM": D("45")}) == 900
    assert ledger.apply(fill("20", "45"), day=1) == 100
    assert ledger.positions == {}
    assert ledger.cash == D("10098.00")  # two fees of one dollar


def test_order_through_zero_opens_a_new_position() -> None:
    ledger = Ledger(D("10000"))
    ledger.apply(fill("10", "100"), day=0)
    assert ledger.apply(fill("-25", "90"), day=7) == -100
    position = ledger.positions["IBM"]
    assert (position.quantity, position.entry_price) == (D(-15), D(90))
    assert (position.realized_pnl, position.opened_on_day) == (D(0), 7)
    assert ledger.realized_pnl == -100


def test_value_is_always_cash_and_profits_to_the_last_digit() -> None:
    ledger = Ledger(D("100000"))
    orders = ["3", "7", "-4", "-13", "5", "11", "-2", "-7"]
    for day, quantity in enumerate(orders):
        price = D("101.37") + D(day) * D("0.333")
        ledger.apply(fill(quantity, str(price)), day)
        unrealized = sum(p.unrealized_pnl(price) for p in ledger.positions.values())
        assert ledger.equity({"IBM": price}) == (
            D("100000") + ledger.realized_pnl + unrealized - ledger.fees
        )
    assert ledger.positions == {}
    assert ledger.fills == 8
