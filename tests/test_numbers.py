"""Numbers: how they are spelt, and how small they may be, in every field, table and option that takes one."""

import typing
from types import UnionType

import click
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError

import otonari
from otonari.cli import _Number, _Whole, main
from otonari.data.inputs.contract import TABLE, complete
from otonari.data.inputs.validation import validate
from otonari.data.inputs.variables import LEAST, NOISE
from otonari.data.loading import orders_file, sweep_file
from otonari.data.schema.scenario import Scenario
from otonari.data.schema.table_rows import TABLES
from otonari.data.schema.values import Closed
from otonari.model.exchange.products import Rules
from otonari.runs.store import digest

from .communities import community, random_community
from .test_inputs import planted, raw

NO_NUMBERS = ("1_0", "1_000.5", True, False)


# how they are spelt


def inside(annotation) -> set:
    """Return the plain types inside an annotation, its containers included."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return inside(arguments[0])
    if typing.get_origin(annotation) is typing.Literal or not arguments:
        return {annotation}
    return {t for a in arguments for t in inside(a)}


def models():
    """Return every part of a scenario, of a sweep and of orders, found by walking through the fields."""
    found, left = [], [Scenario, sweep_file.Sweep, orders_file.Row, *(row for row, _ in TABLES.values())]
    while left:
        model = left.pop()
        if model in found:
            continue
        found.append(model)
        for field in model.model_fields.values():
            parts = sorted(inside(field.annotation), key=str)  # in one order in every process that runs tests
            left += [t for t in parts if isinstance(t, type) and issubclass(t, Closed)]
    return found


def spelt(annotation, text):
    """Return the text as a value of a field: by itself, or within its containers."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return spelt(arguments[0], text)
    if origin in (typing.Union, UnionType):
        return spelt(next(a for a in arguments if inside(a) & {int, float}), text)
    if origin is tuple:
        return (spelt(arguments[0], text),)
    if origin is dict:
        return {"a": spelt(arguments[1], text)}
    return text


NUMBERS = [
    pytest.param(field, id=f"{model.__name__}.{name}")
    for model in models()
    for name, field in model.model_fields.items()
    if inside(field.annotation) & {int, float}
]


def test_the_fields_that_take_numbers_are_found():
    assert len(NUMBERS) > 55
    names = {param.id for param in NUMBERS}
    assert {
        "Time.slot_minutes",
        "LevelFees.levels",
        "Sweep.seeds",
        "Row.price",
        "Battery.capacity_kwh",
    } <= names


@pytest.mark.parametrize("field", NUMBERS)
def test_no_field_takes_what_is_no_number(field):
    adapter = TypeAdapter(typing.Annotated[field.annotation, field])
    for text in NO_NUMBERS:
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python(spelt(field.annotation, text))
        said = {error["msg"] for error in refused.value.errors()}
        assert {"a number", "a whole number"} & said, text


def options(command=main, path=()):
    """Yield every command's path and its parameters."""
    for name, sub in getattr(command, "commands", {}).items():
        yield from options(sub, (*path, name))
    yield from ((path, parameter) for parameter in command.params)


def kinds(parameter):
    return parameter.type.types if isinstance(parameter.type, click.Tuple) else [parameter.type]


def test_every_option_that_takes_a_number_takes_digits_only():
    plain = (click.types.IntParamType, click.types.FloatParamType)
    numbers = [(path, p, kind) for path, p in options() for kind in kinds(p) if isinstance(kind, plain)]
    assert len(numbers) > 20
    loose = [
        (path, parameter.name) for path, parameter, kind in numbers if not isinstance(kind, _Whole | _Number)
    ]
    assert not loose
    for _, _, kind in numbers:
        with pytest.raises(click.BadParameter, match="want a number"):
            kind.convert("1_0", None, None)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (["--gate-minutes", "1_0"], "got '1_0', want a number"),
        (["--gate-minutes", "nan"], "got 'nan', want a finite number"),
        (["--price-band", "0", "inf"], "got 'inf', want a finite number"),
        (["--opening-hours", "1e300"], "got '1e300', want a magnitude of at most 2^32"),
    ],
)
def test_an_option_that_is_no_number_is_bad_usage(tmp_path, given, want):
    (tmp_path / "orders.csv").touch()
    result = CliRunner().invoke(main, ["exchange", "match", str(tmp_path / "orders.csv"), *given])
    assert result.exit_code == 2
    assert want in result.output


# how small they may be


RATINGS = [name for name, row in TABLE.items() if row.least]


def test_ratings_and_limits_of_every_device_meter_and_line_have_a_least():
    assert {name for name, row in TABLE.items() if name.endswith("_limit") and row.unit == "kW"} <= set(
        RATINGS
    )
    assert {"battery_capacity", "vehicle_capacity", "vehicle_min_charge"} <= set(RATINGS)


@pytest.mark.parametrize("name", RATINGS)
def test_a_rating_below_a_watt_is_refused_and_none_is_not(name):
    wants = {p.want for p in validate(planted(name, 0.99e-3, 0)) if (p.field, p.got) == (name, "0.00099")}
    assert f"0, or at least 0.001 {TABLE[name].unit}" in wants
    for sound in (0.0, LEAST):
        assert not [p for p in validate(planted(name, sound, 0)) if "at least 0.001" in p.want]


def test_states_of_stores_may_be_the_noise_that_a_run_leaves():
    for name in ("battery_initial_energy", "battery_final_energy", "battery_min_energy", "trip_distance"):
        assert not validate(planted(name, 1e-9, 0))


def test_noise_of_series_is_none_where_digests_have_none_too():
    powers = np.array([[1.0, 0.9 * NOISE, 1.1 * NOISE], [0.0, 1e-320, -1e-9]])
    for name in ("demand", "pv_available"):
        values = complete(raw().assign({name: (("participant", "time"), powers)}))[name].values
        assert values.tolist() == [[1.0, 0.0, 1.1 * NOISE], [0.0, 0.0, 0.0]]
        assert (
            digest.integers(values, digest.INPUTS_SCALE) == digest.integers(powers, digest.INPUTS_SCALE)
        ).all()


@pytest.mark.parametrize("seed", [3, 100, 248])
@pytest.mark.parametrize("least", [1e-12, 2e-8, 4e-7])
def test_powers_near_nothing_clear(seed, least):
    """Dawn and offsets of meters: seed 248 of 2e-8 kW and more failed its proof of optimality."""
    rng, inputs = np.random.default_rng(seed), random_community(seed, crossing=seed % 3 == 0)
    for name in ("demand", "pv_available"):
        small = rng.random(inputs[name].shape) < 0.4
        power = least * 25 ** rng.random(small.sum())
        values = inputs[name].values.copy()
        values[small] = power
        inputs[name] = inputs[name].dims, values, inputs[name].attrs
    run = otonari.clear(inputs)
    assert run.attrs["status"] == "optimal"


@pytest.mark.parametrize("net", [0.9e-7, 1.5e-7, 1e-6, -0.9e-7, -1.5e-7])
def test_net_positions_near_nothing_clear(net):
    """What is left of demand and PV of 1 kW is below what trades count; accounts hold beyond it."""
    flat = {"retail_price": [30, 45, 30, 60], "feed_in_price": 8}
    inputs = community(
        {
            "slots": [1.0] * 4,
            "nodes": {"n": {"parent": ""}, "m": {"parent": "n", "fee": 1.0}},
            "tariffs": {"t": flat},
            "participants": {
                "a": {
                    "node": "n",
                    "tariff": "t",
                    "demand": 1.0,
                    "pv_available": [3, 0, 3, 0] if net > 0 else 0,
                },
                "b": {"node": "m", "tariff": "t", "demand": 1.0 + net, "pv_available": 1.0},
            },
        }
    )
    assert otonari.clear(inputs)["results"]["peer_sale"].values.sum() <= 8 * abs(net) + 1e-9


def test_a_community_of_noise_alone_has_no_shares():
    still = raw().drop_dims(["battery", "vehicle", "trip", "heat_pump"])
    for name in ("demand", "pv_available"):
        still[name] = xr.full_like(still[name], 1e-7)
    settlement = otonari.clear(still)["settlement"]
    assert settlement["bill"].values.tolist() == [0.0, 0.0]
    assert np.isnan(settlement["self_sufficiency"].values).all()


@pytest.mark.parametrize("minutes", [0.5, 0.999, 0, -30, float("nan"), float("inf"), 1441])
def test_rules_of_an_exchange_want_slots_of_a_minute_or_more(minutes):
    with pytest.raises(ValueError, match=r"^slot_minutes: got .*, want slots of a minute or more"):
        Rules(slot_minutes=minutes)
    assert Rules(slot_minutes=1.0).slot_minutes == 1.0


@pytest.mark.parametrize(
    "rules", [{"opening_hours": float("inf")}, {"gate_minutes": float("nan")}, {"cap": float("inf")}]
)
def test_rules_of_an_exchange_are_finite(rules):
    with pytest.raises(ValueError, match="finite"):
        Rules(**rules)
