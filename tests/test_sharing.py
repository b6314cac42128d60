"""Allocation of metered energy: worked cases, what every rule keeps, and a plain implementation of each beside it."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otonari
from otonari.data.problems import InputError
from otonari.model.sharing.apportionment import PARTS
from otonari.model.sharing.coefficients import coefficients
from otonari.model.sharing.metered import Metered
from otonari.model.sharing.rules import RULES, own_surplus

DRAWN, KEYS = (200, 600, 800), (0.5, 0.3, 0.2)
WORKED = {
    "static": ({"keys": KEYS}, (200, 300, 200)),
    "pro-rata": ({}, (125, 375, 500)),
    "rounds": ({"keys": KEYS}, (200, 480, 320)),
    "hybrid": ({"keys": KEYS}, (200, 400, 400)),
    "priority": ({"order": (1, 0, 2)}, (200, 600, 200)),
    "filling": ({}, (200, 400, 400)),
    "own-share": ({"keys": KEYS}, (200, 300, 200)),
    "matrix": ({"coefficients": [KEYS]}, (200, 300, 200)),
    "contracts": ({"contracts": ([0, 0, 0], [2, 0, 1], [0, 0, 0], [700, 250, 150])}, (200, 100, 700)),
}


def in_kwh(arguments):
    """Return the arguments of a rule with energies in kWh in place of Wh."""
    if "contracts" not in arguments:
        return arguments
    *places, energy = arguments["contracts"]
    return {"contracts": (*places, np.array(energy) / 1000)}


def test_every_rule_has_a_worked_case():
    assert list(WORKED) == list(RULES)


@pytest.mark.parametrize("rule", WORKED)
def test_the_worked_case_of(rule):
    """One kWh and draws of 0.2, 0.6 and 0.8 kWh, in Wh and in kWh."""
    arguments, want = WORKED[rule]
    drawn = np.array(DRAWN)[:, None]
    allocated = otonari.allocate([1000], drawn, rule, **arguments)
    assert allocated.dtype == np.int64
    assert allocated[:, 0].tolist() == list(want)
    floats = otonari.allocate([1.0], drawn / 1000, rule, **in_kwh(arguments))
    np.testing.assert_allclose(floats[:, 0] * 1000, want, rtol=0, atol=1e-9)


def test_participation_factors():
    """Austria: members take part with all, half and all of what they draw."""
    drawn = np.array(DRAWN)[:, None]
    whole = otonari.allocate([1000], drawn, "pro-rata", participation=(1, 0.5, 1))
    assert whole[:, 0].tolist() == [154, 231, 615]
    floats = otonari.allocate([1.0], drawn / 1000, "pro-rata", participation=(1, 0.5, 1))
    np.testing.assert_allclose(floats[:, 0], (0.153846, 0.230769, 0.615385), atol=5e-7)


def test_participations_that_sum_to_one_never_share_a_watt_hour_twice():
    drawn = np.array([[1, 29, 100, 333]])
    parts = [otonari.allocate([999] * 4, drawn, "filling", participation=[p]) for p in (0.29, 0.71)]
    assert parts[0][0].tolist() == [0, 8, 29, 96]
    assert np.all(sum(parts) <= drawn)


def test_a_share_that_its_owner_does_not_use_is_its_own_surplus():
    """Spain: of one kWh, the first leaves 0.3 of its half."""
    metered = Metered(np.array([[1000]]), np.array(DRAWN)[:, None], keys=np.array(KEYS)[:, None])
    assert own_surplus(metered)[:, 0].tolist() == [300, 0, 0]


def test_keys_may_change_from_slot_to_slot():
    allocated = otonari.allocate([10, 10], [[9, 9], [9, 9]], "static", keys=[[1, 0.25], [0, 0.75]])
    assert allocated.tolist() == [[9, 3], [0, 7]]


def test_thirds_are_exact_and_ties_go_by_the_order_of_members():
    thirds = [1 / 3] * 3
    drawn = np.full((3, 4), 9)
    allocated = otonari.allocate([1, 2, 3, 10], drawn, "static", keys=thirds)
    assert allocated.tolist() == [[1, 1, 1, 4], [0, 1, 1, 3], [0, 0, 1, 3]]
    assert otonari.allocate([1, 2, 3, 10], drawn, "filling").tolist() == allocated.tolist()


def test_ties_among_many_go_by_the_order_of_members():
    """Of two kinds of members, alternating: those who draw 3 Wh have the larger remainder, all of them the same."""
    drawn = np.tile([[3], [1]], (100, 1))
    allocated = otonari.allocate([70], drawn, "pro-rata")[:, 0]
    assert np.flatnonzero(allocated).tolist() == list(range(0, 140, 2))


def test_the_matrix_leaves_a_producer_what_its_coefficients_give_to_nobody():
    supplied = otonari.allocate(
        [[100], [50]],
        [[60], [200]],
        "matrix",
        coefficients=[[0.5, 0.25], [0.6, 0.4]],
        by_producer=True,
    )
    # 50 + 30 for the first, who draws 60: 37.5 and 22.5, the tie to the first producer
    assert supplied[..., 0].tolist() == [[38, 25], [22, 20]]
    assert (np.array([100, 50]) - supplied.sum(axis=(1, 2))).tolist() == [37, 8]


def test_the_first_contract_is_served_first():
    """The second contract finds 40 Wh of the producer, the third a member whose draw is met but for 10 Wh."""
    contracts = ([0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1], [60, 70, 90, 5])
    supplied = otonari.allocate(
        [[100, 3], [80, 0]], [[90, 9], [50, 9]], "contracts", contracts=contracts, by_producer=True
    )
    assert supplied.tolist() == [[[60, 3], [40, 0]], [[0, 0], [10, 0]]]


# --- the plain implementation: exact fractions, one slot, loops


def largest_remainder(total, weights):
    """Return whole shares of a whole total."""
    if sum(weights) == 0:
        return [0] * len(weights)
    quotas = [Fraction(total) * w / sum(weights) for w in weights]
    shares = [floor(q) for q in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (shares[i] - quotas[i], i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def split(total, weights, whole):
    if whole:
        return largest_remainder(total, weights)
    return [total * w / sum(weights) if sum(weights) else Fraction(0) for w in weights]


def plain_static(pool, drawn, keys, whole):
    return [min(share, c) for share, c in zip(split(pool, keys, whole), drawn, strict=True)]


def plain_pro_rata(pool, drawn, _, whole):
    return split(min(pool, sum(drawn)), drawn, whole)


def plain_rounds(pool, drawn, keys, whole):
    """Share by share as the law's text goes, in fractions; whole Wh are rounded at the end."""
    have, rest = [Fraction(0)] * len(drawn), Fraction(pool)
    while rest > 0:
        waiting = [i for i, c in enumerate(drawn) if have[i] < c and keys[i] > 0]
        if not waiting:
            break
        share = {i: rest * keys[i] / sum(keys[j] for j in waiting) for i in waiting}
        for i in waiting:
            take = min(share[i], drawn[i] - have[i])
            have[i] += take
            rest -= take
    return largest_remainder(int(sum(have)), have) if whole else have


def plain_filling(pool, drawn, _, whole):
    return plain_rounds(pool, drawn, [1] * len(drawn), whole)


def plain_hybrid(pool, drawn, keys, whole):
    fixed = plain_static(pool, drawn, keys, whole)
    more = plain_pro_rata(pool - sum(fixed), [c - a for c, a in zip(drawn, fixed, strict=True)], None, whole)
    return [a + b for a, b in zip(fixed, more, strict=True)]


def plain_priority(pool, drawn, order, whole):
    have = [0] * len(drawn)
    for i in order:
        have[i] = min(drawn[i], pool)
        pool -= have[i]
    return have


def plain_matrix(injected, drawn, coefficients, whole):
    """Return who supplied whom, as lists of a producer's members."""
    quotas = [split(p, [*row, 1 - sum(row)], whole) for p, row in zip(injected, coefficients, strict=True)]
    supplied = [[0] * len(drawn) for _ in injected]
    for i, c in enumerate(drawn):
        offered = [row[i] for row in quotas]
        for j, share in enumerate(split(min(c, sum(offered)), offered, whole)):
            supplied[j][i] = share
    return supplied


POOLED = {
    "static": plain_static,
    "pro-rata": plain_pro_rata,
    "rounds": plain_rounds,
    "hybrid": plain_hybrid,
    "priority": plain_priority,
    "filling": plain_filling,
    "own-share": plain_static,
}

ENERGY = st.one_of(st.integers(0, 12), st.integers(0, 5000), st.just(0))


@st.composite
def meters(draw, whole=None):
    """Draw a community: injected (producer, slot), withdrawn (member, slot), keys in millionths, an order."""
    members, producers, slots = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 4))

    def table(rows):
        row = st.lists(ENERGY, min_size=slots, max_size=slots)
        return np.array(draw(st.lists(row, min_size=rows, max_size=rows)))

    injected, withdrawn = table(producers), table(members)
    cuts = sorted(draw(st.lists(st.integers(0, 10**6), min_size=members - 1, max_size=members - 1)))
    keys = np.diff([0, *cuts, 10**6])
    return injected, withdrawn, keys, draw(st.permutations(range(members)))


def arguments(rule, keys, order):
    needs = RULES[rule].needs
    return {"keys": {"keys": keys / 1e6}, "order": {"order": order}, "": {}}[needs]


@pytest.mark.parametrize("rule", POOLED)
@given(case=meters())
def test_the_plain_implementation_agrees_with(rule, case):
    """Exactly in whole Wh, within 1e-9 in kWh."""
    injected, withdrawn, keys, order = case
    extra = order if rule == "priority" else [Fraction(int(k), 10**6) for k in keys]
    whole = otonari.allocate(injected, withdrawn, rule, **arguments(rule, keys, order))
    floats = otonari.allocate(injected / 1000, withdrawn / 1000, rule, **arguments(rule, keys, order))
    for t in range(withdrawn.shape[1]):
        pool, drawn = int(injected[:, t].sum()), withdrawn[:, t].tolist()
        assert whole[:, t].tolist() == POOLED[rule](pool, drawn, extra, True)
        want = [float(a) / 1000 for a in POOLED[rule](pool, [Fraction(c) for c in drawn], extra, False)]
        np.testing.assert_allclose(floats[:, t], want, rtol=0, atol=1e-9)


@given(case=meters(), data=st.data())
def test_the_plain_matrix_agrees(case, data):
    injected, withdrawn, *_ = case
    shape = (len(injected), len(withdrawn))
    flat = [data.draw(st.integers(0, 10**6 // len(withdrawn))) for _ in range(np.prod(shape))]
    millionths = np.array(flat).reshape(shape)
    exact = [[Fraction(int(b), 10**6) for b in row] for row in millionths]
    whole = otonari.allocate(injected, withdrawn, "matrix", coefficients=millionths / 1e6, by_producer=True)
    floats = otonari.allocate(
        injected / 1000, withdrawn / 1000, "matrix", coefficients=millionths / 1e6, by_producer=True
    )
    for t in range(withdrawn.shape[1]):
        fed, drawn = injected[:, t].tolist(), withdrawn[:, t].tolist()
        assert whole[..., t].tolist() == plain_matrix(fed, drawn, exact, True)
        want = np.array(plain_matrix(fed, drawn, exact, False), dtype=float) / 1000
        np.testing.assert_allclose(floats[..., t], want, rtol=0, atol=1e-9)


@st.composite
def contracted(draw):
    """Draw meters with contracts (producer, member, slot, energy) in the order of trading."""
    injected, withdrawn, *_ = draw(meters())
    sizes = (len(injected), *withdrawn.shape)
    trade = st.tuples(*(st.integers(0, n - 1) for n in sizes), st.integers(0, 3000))
    trades = draw(st.lists(trade, max_size=12))
    return injected, withdrawn, trades


def plain_contracts(injected, withdrawn, trades):
    """Return who supplied whom (producer, member, slot), one trade after another."""
    fed, drawn = injected.copy(), withdrawn.copy()
    supplied = np.zeros((len(fed), *drawn.shape), dtype=int)
    for j, i, t, energy in trades:
        amount = min(energy, fed[j, t], drawn[i, t])
        supplied[j, i, t] += amount
        fed[j, t] -= amount
        drawn[i, t] -= amount
    return supplied


@given(case=contracted())
def test_the_plain_contracts_agree(case):
    injected, withdrawn, trades = case
    columns = [np.array(column, dtype=int) for column in zip(*trades, strict=True)] or [[], [], [], []]
    supplied = otonari.allocate(injected, withdrawn, "contracts", contracts=columns, by_producer=True)
    np.testing.assert_array_equal(supplied, plain_contracts(injected, withdrawn, trades))


def test_hundreds_of_contracts_of_a_slot_keep_the_order_of_trading():
    """A sort that is not stable keeps the order of a few, not of hundreds."""
    rng = np.random.default_rng(3)
    injected, withdrawn = rng.integers(0, 9000, (4, 2)), rng.integers(0, 3000, (9, 2))
    columns = [rng.integers(0, n, 800) for n in (4, 9, 2, 300)]
    supplied = otonari.allocate(injected, withdrawn, "contracts", contracts=columns, by_producer=True)
    want = plain_contracts(injected, withdrawn, zip(*columns, strict=True))
    np.testing.assert_array_equal(supplied, want)


# --- what every rule keeps


@pytest.mark.parametrize("rule", POOLED)
@given(case=meters())
def test_nobody_gets_what_was_not_injected_or_not_drawn(rule, case):
    injected, withdrawn, keys, order = case
    for unit, slack in ((1, 0), (1000.0, 1e-9)):
        fed, drawn = injected / unit if slack else injected, withdrawn / unit if slack else withdrawn
        allocated = otonari.allocate(fed, drawn, rule, **arguments(rule, keys, order))
        shared, most = allocated.sum(axis=0), np.minimum(fed.sum(axis=0), drawn.sum(axis=0))
        assert np.all((allocated >= 0) & (allocated <= drawn))
        assert np.all(shared <= most + slack)
        if rule in {"pro-rata", "hybrid", "priority", "filling"} or (rule == "rounds" and keys.all()):
            assert np.all(shared >= most - slack), "energy that somebody draws is left"


@pytest.mark.parametrize("rule", POOLED)
@given(case=meters())
def test_who_supplied_whom_sums_up_both_ways(rule, case):
    injected, withdrawn, keys, order = case
    allocated = otonari.allocate(injected, withdrawn, rule, **arguments(rule, keys, order))
    supplied = otonari.allocate(injected, withdrawn, rule, **arguments(rule, keys, order), by_producer=True)
    assert np.all(supplied >= 0)
    np.testing.assert_array_equal(supplied.sum(axis=0), allocated)
    assert np.all(supplied.sum(axis=1) <= injected)
    even = allocated[None] * injected[:, None] / np.maximum(injected.sum(axis=0), 1)
    assert np.all(np.abs(supplied - even) < len(withdrawn) + 1), "far from the producers' proportions"


@pytest.mark.parametrize("rule", POOLED)
@given(case=meters(), data=st.data())
def test_the_order_of_members_matters_to_ties_alone(rule, case, data):
    injected, withdrawn, keys, order = case
    turned = data.draw(st.permutations(range(len(withdrawn))))
    place = np.argsort(turned)
    one = otonari.allocate(injected, withdrawn, rule, **arguments(rule, keys, order))
    other = otonari.allocate(
        injected, withdrawn[turned], rule, **arguments(rule, keys[turned], [int(place[i]) for i in order])
    )
    assert np.all(np.abs(other[place] - one) <= (0 if rule == "priority" else 2 if rule == "hybrid" else 1))
    floats = otonari.allocate(injected / 1e3, withdrawn / 1e3, rule, **arguments(rule, keys, order))
    again = otonari.allocate(
        injected / 1e3, withdrawn[turned] / 1e3, rule, **arguments(rule, keys[turned], place[list(order)])
    )
    np.testing.assert_allclose(again[place], floats, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rule", [rule for rule in POOLED if rule != "hybrid"])
@given(case=meters(), more=st.integers(0, 3000))
def test_more_energy_takes_from_nobody(rule, case, more):
    """But for `hybrid`: a larger fixed share of one is less of the rest for others."""
    injected, withdrawn, keys, order = case
    less = otonari.allocate(injected / 1e3, withdrawn / 1e3, rule, **arguments(rule, keys, order))
    fed = injected / 1e3 + more / 1e3
    assert np.all(otonari.allocate(fed, withdrawn / 1e3, rule, **arguments(rule, keys, order)) >= less - 1e-9)


@pytest.mark.parametrize("rule", WORKED)
def test_slots_do_not_know_of_one_another(rule, monkeypatch):
    """Blocks of slots, and slots by themselves, give the same."""
    rng = np.random.default_rng(7)
    injected, withdrawn = rng.integers(0, 900, (2, 50)), rng.integers(0, 400, (5, 50))
    keys = rng.multinomial(PARTS, np.ones(5) / 5, size=50).T / PARTS
    trades = [rng.integers(0, n, 400) for n in (2, 5, 50, 90)]
    needs = RULES[rule].needs
    extra = {"keys": keys, "order": [3, 1, 0, 2, 4], "coefficients": np.stack([keys, keys[::-1] / 2])}
    given_ = {needs: {**extra, "contracts": trades}[needs]} if needs else {}
    whole = otonari.allocate(injected, withdrawn, rule, **given_, by_producer=True)
    monkeypatch.setattr("otonari.model.sharing.allocation._AT_ONCE", 70)
    np.testing.assert_array_equal(
        otonari.allocate(injected, withdrawn, rule, **given_, by_producer=True), whole
    )
    np.testing.assert_array_equal(otonari.allocate(injected, withdrawn, rule, **given_), whole.sum(axis=0))


def test_a_watt_hour_of_the_largest_community_is_not_lost():
    """Products of 3 GWh with 3 GWh stay within 64 bits."""
    most = 3 * 10**9
    drawn = np.array([[most // 2 - 1], [most // 2], [1]])
    assert otonari.allocate([most - 1], drawn, "pro-rata").sum() == most - 1
    assert otonari.allocate([most], [[most]], "static", keys=[1.0]).tolist() == [[most]]


# --- the key that realises what was traded


@st.composite
def traded(draw):
    """Draw meters and trades that they bear out, in several lots per pair."""
    injected, withdrawn, *_ = draw(meters())
    sizes = (len(injected), *withdrawn.shape)
    trades, fed, drawn = [], injected.copy(), withdrawn.copy()
    for j, i, t in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in sizes)), max_size=12)):
        energy = min(fed[j, t], drawn[i, t])
        energy = draw(st.one_of(st.just(energy), st.integers(0, int(energy))))
        fed[j, t] -= energy
        drawn[i, t] -= energy
        trades.append((j, i, t, int(energy)))
    columns = [np.array(column, dtype=int) for column in zip(*trades, strict=True)] or [[], [], [], []]
    volumes = np.zeros(sizes, dtype=int)
    np.add.at(volumes, tuple(np.array(c, dtype=int) for c in columns[:3]), np.array(columns[3], dtype=int))
    return injected, withdrawn, columns, volumes


@given(case=traded(), decimals=st.integers(4, 9))
def test_the_key_of_trades_gives_them_back(case, decimals):
    injected, withdrawn, trades, volumes = case
    key = coefficients(injected, withdrawn, trades, decimals=decimals)
    assert np.all(key.sum(axis=1) <= 10**decimals)
    again = otonari.allocate(injected, withdrawn, "matrix", coefficients=key / 10**decimals, by_producer=True)
    np.testing.assert_array_equal(again, volumes)


@given(case=traded(), decimals=st.integers(4, 9))
def test_a_key_that_sums_to_one_gives_every_member_its_energy(case, decimals):
    """Refused only where something is not sold and everybody draws more than was bought."""
    injected, withdrawn, trades, volumes = case
    hungry = np.all(volumes.sum(axis=0) < withdrawn, axis=0)
    if np.any(hungry & (volumes.sum(axis=1) < injected)):
        with pytest.raises(InputError, match="no rest"):
            coefficients(injected, withdrawn, trades, decimals=decimals, exhaustive=True)
        return
    key = coefficients(injected, withdrawn, trades, decimals=decimals, exhaustive=True)
    assert np.all(key >= 0)
    assert np.all(key.sum(axis=1) == 10**decimals)
    again = otonari.allocate(injected, withdrawn, "matrix", coefficients=key / 10**decimals)
    np.testing.assert_array_equal(again, volumes.sum(axis=0))
    if len(injected) == 1:  # what an operator does with one plant
        fixed = otonari.allocate(injected, withdrawn, "static", keys=key[0] / 10**decimals)
        np.testing.assert_array_equal(fixed, again)


def test_the_key_of_a_cleared_run_gives_its_trades_back():
    """The trades of the bundled scenario, in whole Wh, and meters that show them and what the retailer adds."""
    tree = otonari.clear(otonari.build_inputs(otonari.load_scenario("six-kinds")))
    trades, inputs = tree["trades"], tree["inputs"]
    who = inputs["participant"].values.astype(str).tolist()
    slot = np.searchsorted(inputs["time"].values, trades["trade_time"].values)
    seller, buyer = (
        np.array([who.index(p) for p in trades[name].values.astype(str)])
        for name in ("trade_seller", "trade_buyer")
    )
    energy = np.floor(trades["trade_energy"].values * 1000 + 1e-6).astype(int)
    assert (energy > 0).sum() > 10
    volumes = np.zeros((len(who), len(who), inputs.sizes["time"]), dtype=int)
    np.add.at(volumes, (seller, buyer, slot), energy)
    injected, withdrawn = volumes.sum(axis=1) + 40, volumes.sum(axis=0) + 25
    key = coefficients(injected, withdrawn, (seller, buyer, slot, energy), decimals=6)
    again = otonari.allocate(injected, withdrawn, "matrix", coefficients=key / 10**6, by_producer=True)
    np.testing.assert_array_equal(again, volumes)


@pytest.mark.parametrize(
    ("trades", "named", "want"),
    [
        (([0], [0], [0], [333]), {"decimals": 1}, ("decimals", "slot 0", "1")),
        (([0], [0], [0], [333]), {"decimals": 10}, ("decimals", "", "10")),
        (([0], [0], [0], [333]), {"exhaustive": True}, ("contracts", "producer 0, slot 0", "667")),
        (([0, 0], [0, 0], [0, 0], [600, 600]), {}, ("contracts", "producer 0, slot 0", "1200")),
        (([0, 0], [0, 0], [0, 0], [600, 600]), {}, ("contracts", "member 0, slot 0", "1200")),
        (([0], [1], [0], [333]), {}, ("contracts: member", "trade 0", "1")),
    ],
)
def test_what_no_key_can_realise_is_refused(trades, named, want):
    with pytest.raises(InputError) as refused:
        coefficients([1000], [[900]], trades, **named)
    assert want in [(p.field, p.row, p.got) for p in refused.value.problems]


def test_a_key_is_of_whole_watt_hours():
    with pytest.raises(InputError, match="energies in Wh"):
        coefficients([1.0], [[1.0]], ([0], [0], [0], [0.5]))


# --- wrong arguments


def problems_of(*given_, **named):
    with pytest.raises(InputError) as refused:
        otonari.allocate(*given_, **named)
    return [(p.field, p.row, p.got) for p in refused.value.problems]


def test_all_that_is_wrong_is_said_at_once():
    assert problems_of(
        [[1, 2]],
        [[1, -2], [3, 4]],
        "statik",
        keys=[0.5, 0.6],
        order=[0, 0],
        participation=[2, 1],
        contracts=([0], [5], [0], [1.0]),
    ) == [
        ("rule", "", "'statik'"),
        ("withdrawn", "member 0, slot 1", "-2"),
        ("participation", "member 0", "2"),
        ("keys", "slot 0", "1.1"),
        ("order", "", "[0, 0]"),
        ("contracts: member", "trade 0", "5"),
        ("contracts: energy", "", "float64 with 1 dims"),
    ]


@pytest.mark.parametrize(
    ("given_", "named", "want"),
    [
        (([1], [[1]], "static"), {}, ("keys", "", "none")),
        (([1], [[1]], "pro-rata"), {"keys": [1]}, ("keys", "", "some")),
        (([1, 2], [[1]], "pro-rata"), {}, ("injected", "", "2 slots")),
        (([1.0], [[1]], "pro-rata"), {}, ("injected, withdrawn", "", "float64, int64")),
        (([np.nan], [[1.0]], "filling"), {}, ("injected", "producer 0, slot 0", "nan")),
        (([1.0], [[np.inf]], "filling"), {}, ("withdrawn", "member 0, slot 0", "inf")),
        (([4 * 10**9], [[1]], "filling"), {}, ("injected", "producer 0, slot 0", "4000000000")),
        (([[2 * 10**9]] * 2, [[1]], "filling"), {}, ("injected", "slot 0", "4000000000")),
        ((["a"], [[1]], "filling"), {}, ("injected", "", "<U1 with 1 dims")),
        (([True], [[1]], "filling"), {}, ("injected", "", "bool with 1 dims")),
        (([1], [1], "filling"), {}, ("withdrawn", "", "int64 with 1 dims")),
        (([1], [[1], [1, 2]], "filling"), {}, ("withdrawn", "", "object with 0 dims")),
        (([1], [[1]], "static"), {"keys": [0.5, 0.5]}, ("keys", "", "shape (2,)")),
        (([1], [[1], [1]], "static"), {"keys": [1.5, -0.5]}, ("keys", "member 0", "1.5")),
        (([1], [[1], [1]], "static"), {"keys": [np.nan, 1]}, ("keys", "member 0", "nan")),
        (([1], [[1], [1]], "rounds"), {"keys": [[0.5], [0.4]]}, ("keys", "slot 0", "0.9")),
        (([1], [[1], [1]], "priority"), {"order": [0]}, ("order", "", "[0]")),
        (([1], [[1], [1]], "matrix"), {"coefficients": [[0.5, 0.6]]}, ("coefficients", "producer 0, slot 0", "1.1")),
        (([1], [[1]], "matrix"), {"coefficients": [1.0]}, ("coefficients", "", "float64 with 1 dims")),
        (([1], [[1]], "contracts"), {"contracts": [0, 1]}, ("contracts", "", "list")),
        (([1], [[1]], "contracts"), {"contracts": ([0], [0], [0], [1, 2])}, ("contracts", "", "1, 1, 1, 2 entries")),
        (([1], [[1]], "contracts"), {"contracts": ([0], [0], [0], [-1])}, ("contracts: energy", "trade 0", "-1")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given_, named, want):
    assert want in problems_of(*given_, **named)


def test_many_wrong_entries_are_counted():
    said = problems_of([1] * 9, np.full((1, 9), -1), "filling")
    assert len(said) == 6
    assert said[-1] == ("withdrawn", "~", "4 more entries like these")
