"""The digest of a scenario: what it counts, and that those of version 1 of the schema stay."""

import hashlib
from functools import partialmethod
from typing import Annotated

import pytest
from pydantic import Field

from otonari.data.loading import town
from otonari.data.loading.scenario import canonical_json, counted, digest, effective, load_scenario
from otonari.data.schema import file_references, price_forms, scenario, table_rows, tariffs_and_fees
from otonari.data.schema.values import LATER, Label, NotNegative, later_defaults

# a digest that changes here changes the name of every stored run and ledger of such a scenario
DIGESTS = {
    ("higashi-fuji",): "1ce9f7c7aa802ceb9f0abf57d734006d65e6e498cf8cefd43e588c44ced0058a",
    ("six-kinds",): "822612b82f53b61b6ed5599f845345915f423eff305a72ce6f7ae2413d212470",
    (
        "six-kinds",
        "time.days=2",
        "seed=7",
    ): "ae43bce7293f9502c44a436b4264dd694ab083dddf8334c47952c9fc6dd5ecd6",
    (
        "six-kinds",
        "market_id=street",
        "description=",
    ): "af333f57216dac81879dd49ad8490909250e5a66cc9f4cb086e8ea4c95877fd7",
    (
        "six-kinds",
        "exchange.gate_minutes=11",
    ): "9a450477177ab4dbd8cd11a008ce584f93b7d9d816ecc802080ad8888e16de71",
    (
        "six-kinds",
        "exchange={mechanism: uniform, floor_per_kwh: 5, cap_per_kwh: 40}",
        "exchange.opening_hours=24",
    ): "1e7a056b0abd98e8dfc25bbb71822ca082aae72c6dd00b636ef007d837bef83d",
    (
        "six-kinds",
        "exchange.green_premium_per_kwh=2",
        "tables.participants.home-01.green_premium_per_kwh=0",
    ): "ca206ec4d0c2f037998f351a227599ba9a4c63b9b5e53ca0e3c455241974f436",
    (
        "six-kinds",
        "tables.batteries.*.final_energy_kwh=free",
        "tables.trips=",
        "carbon.grid_kg_per_kwh=0.4",
    ): "ae3561d86bb7842a935565daf4056c5b42bf5559e6ab3a9a56fdad48daf488d5",
    (
        "six-kinds",
        "fees={method: by-length, fee_per_kwh_m: 0.001}",
        "tables.nodes.*.length_m=120",
    ): "725dc60999acee3133b184690e2ec1831607fa084b500ee5d5eb299b5da4ff25",
    (
        "six-kinds",
        "fees={method: by-distance, distance: straight,"
        " bands: [{up_to_m: 100, fee_per_kwh: 1}, {fee_per_kwh: 2}]}",
        "tables.nodes.*.x_m=1",
        "tables.nodes.*.y_m=2",
    ): "4ba767ca7241208b7a54b5067b5bcd13c37548591c9a06a59088ca960ac57d0d",
    (
        "six-kinds",
        "tariffs.standard.energy={type: tiered-average, monthly_kwh: 300,"
        " tiers: [{up_to_kwh: 120, price_per_kwh: 20}, {price_per_kwh: 30}]}",
    ): "c035eeee4d08747ef6d6bb8b9599d76d31e719864187cb8f04cd062d8be316b3",
    (
        "six-kinds",
        "weather={source: clear-sky}",
        "site.latitude_deg=-35",
        "tables.participants.*.pv_azimuth_deg=",
    ): "c52074034999eebf4a08d1272cb4dd04c6cc3cfa16c601b01d92d4a36eefbebc",
}
TOWNS = {
    (30, 7, 1): "a0d7dcc91dde68e05eaa095218763888e43db4df9e078ce2de1ef689946afa21",
    (30, 7, 2): "73725d0b12967cf8f8c26585f87b49ad808c72ba73b90ab0a0c161548398a9c5",
}
# fields that a digest counts at their defaults too; none is ever added to a part that stands here
VERSION_1 = {
    "CarbonFile": (
        "path separator decimal encoding sha256 stamp time_zone time_column time_format skip_rows "
        "reference_year column unit"
    ),
    "SeriesFile": (
        "path separator decimal encoding sha256 stamp time_zone time_column time_format skip_rows "
        "reference_year unit"
    ),
    "Weather": "source path sha256 format time_zone stamp",
    "Battery": (
        "capacity_kwh min_energy_kwh initial_energy_kwh final_energy_kwh charge_limit_kw "
        "charge_efficiency discharge_efficiency wear_cost_per_kwh battery owner discharge_limit_kw"
    ),
    "Node": "node parent level length_m x_m y_m fee_per_kwh access_fee_per_kwh limit_kw",
    "Participant": (
        "participant kind node tariff import_limit_kw export_limit_kw demand_column persons annual_kwh "
        "pv_kw pv_tilt_deg pv_azimuth_deg pv_column pv_column_kw"
    ),
    "Trip": "vehicle departure arrival distance_km energy_kwh destination",
    "Vehicle": (
        "capacity_kwh min_energy_kwh initial_energy_kwh final_energy_kwh charge_limit_kw "
        "charge_efficiency discharge_efficiency wear_cost_per_kwh vehicle owner discharge_limit_kw "
        "min_charge_kw electric_economy_km_per_kwh fuel_economy_km_per_litre fuel_price_per_litre "
        "fuel_kg_per_litre pattern work commute_km errand_km leave_hour return_hour errand_probability"
    ),
    "Exchange": (
        "mechanism opening_hours gate_minutes floor_per_kwh cap_per_kwh imbalance_fee_per_kwh "
        "green_premium_per_kwh learning_weight"
    ),
    "LevelFees": "method levels access_fee_per_kwh",
    "Tariff": "energy levy_per_kwh feed_in",
    "Time": "start days slot_minutes time_zone",
    "Site": "latitude_deg longitude_deg altitude_m",
    "Tables": "participants batteries vehicles trips nodes",
    "Series": "demand pv",
    "Carbon": "grid_kg_per_kwh grid fuel_kg_per_litre",
    "Fuel": "price_per_litre",
    "Scenario": (
        "schema_version name description market_id currency seed time site weather tables series tariffs "
        "fees carbon fuel"
    ),
    "PriceFile": (
        "path separator decimal encoding sha256 stamp time_zone time_column time_format skip_rows "
        "reference_year type column unit"
    ),
    "Flat": "type price_per_kwh",
    "Window": "start end days price_per_kwh",
    "TimeOfUse": "type price_per_kwh windows",
    "Tier": "up_to_kwh price_per_kwh",
    "TieredAverage": "type monthly_kwh tiers",
    "LengthFees": "method fee_per_kwh_m access_fee_per_kwh",
    "Band": "up_to_m fee_per_kwh",
    "BandFees": "method distance bands access_fee_per_kwh",
}


@pytest.mark.parametrize(("source", "want"), DIGESTS.items())
def test_digests_of_scenarios_stay(source, want):
    """Those of files that name no mounting; the bundled ones do now."""
    assert digest(load_scenario(source[0], [*source[1:], "pv="])) == want
    assert digest(load_scenario(source[0], source[1:])) != want


@pytest.mark.parametrize(("size", "want"), TOWNS.items())
def test_digests_of_towns_stay(size, want):
    assert digest(load_scenario(effective(town.scenario(*size)), ["pv="])) == want


def test_digests_of_files_stay(tmp_path):
    hours = "\n".join(f"2020-08-19T{h:02}:00,{h}" for h in range(24))
    path = tmp_path / "spot.csv"
    path.write_text(f"time,price\n{hours}\n")
    changes = [
        f"tariffs.standard.energy={{type: series, path: {path}, column: price}}",
        "carbon.grid_kg_per_kwh=",
        f"carbon.grid={{path: {path}, column: price, unit: g/kWh}}",
        f"series.demand={{path: {path}}}",
        f"weather={{source: file, path: {path}}}",
        "pv=",
    ]
    assert (
        digest(load_scenario("six-kinds", changes))
        == "3c5fc358d8cf8e67cd6861dc146fd81b4cbd4b5c086299e3f7ab47de22a5f301"
    )


@pytest.mark.parametrize("name", VERSION_1)
def test_fields_added_to_a_part_of_version_1_are_marked_as_later(name):
    modules = (scenario, table_rows, tariffs_and_fees, price_forms, file_references)
    model = next(vars(m)[name] for m in modules if name in vars(m))
    unmarked = [field for field in model.model_fields if field not in later_defaults(model)]
    assert unmarked == VERSION_1[name].split(), "declare it as Annotated[..., LATER]"


class Heated(table_rows.Participant):
    heat_pump_kw: Annotated[NotNegative | None, LATER] = Field(default=None)


class Capped(price_forms.Flat):
    cap_per_kwh: Annotated[float, LATER] = Field(default=50.0)


class Exempted(tariffs_and_fees.LevelFees):
    exempt: Annotated[tuple[Label, ...], LATER] = Field(default=())


def extended(base, model, **fields):
    """Return a part as one of a model that has more fields, with values for some of those."""
    return model.model_validate(base.model_dump() | fields)


def with_heat_pump(base, **fields):
    first, *others = base.tables.participants
    rows = (extended(first, Heated, **fields), *(extended(row, Heated) for row in others))
    return base.model_copy(update={"tables": base.tables.model_copy(update={"participants": rows})})


def with_cap(base, **fields):
    tariff = base.tariffs["standard"]
    tariff = tariff.model_copy(update={"energy": extended(tariff.energy, Capped, **fields)})
    return base.model_copy(update={"tariffs": base.tariffs | {"standard": tariff}})


def with_exempt(base, **fields):
    return base.model_copy(update={"fees": extended(base.fees, Exempted, **fields)})


@pytest.mark.parametrize(
    ("change", "default", "other"),
    [
        (with_heat_pump, {"heat_pump_kw": None}, {"heat_pump_kw": 0.0}),
        (with_cap, {"cap_per_kwh": 50}, {"cap_per_kwh": 49}),
        (with_exempt, {"exempt": []}, {"exempt": ["bank"]}),
    ],
)
def test_a_later_field_counts_where_it_differs_from_its_default(monkeypatch, change, default, other):
    base = load_scenario("six-kinds", ["pv="])
    dump = partialmethod(scenario.Scenario.model_dump, serialize_as_any=True)  # with the fields of subclasses
    monkeypatch.setattr(scenario.Scenario, "model_dump", dump)
    want = DIGESTS["six-kinds",]
    assert digest(change(base)) == digest(change(base, **default)) == want
    assert digest(change(base, **other)) != want


def test_a_digest_is_of_the_values_that_are_counted():
    base = load_scenario("six-kinds")
    text = canonical_json(counted(base))
    assert hashlib.sha256(text.encode()).hexdigest() == digest(base)
    assert '"exchange"' not in text
    assert "green_premium_per_kwh" not in text
