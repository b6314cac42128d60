"""A new device is a function that builds it and a row of the table: everything after the model then takes it in.

The device is a switched load: it draws up to a power, whenever, and so much energy over the horizon.
"""

import numpy as np
import pytest
import xarray as xr
from pyomo.core.base.var import Var

import otonari
from otonari.data.inputs import contract, devices, variables
from otonari.data.inputs.variables import Variable
from otonari.model import clearing
from otonari.model.checks.run import check
from otonari.model.devices.device import Device
from otonari.model.errors import Infeasible
from otonari.runs import compare
from otonari.runs.ledger import ledger, records
from otonari.runs.report import page, sections
from otonari.runs.store import netcdf, run_format, zarr

from . import communities

DIM = ("switched_load",)


def switched_load(inputs, meters, sets):
    """0 <= power[l,t] <= power_limit[l],  sum over t of power[l,t] * hours[t] = energy[l]."""
    block = Device((*DIM, "time"), inputs, meters, sets)
    hours, energy = inputs["slot_hours"].values, inputs["switched_load_energy"].values
    limit = inputs["switched_load_power_limit"].values[:, None]
    power = block.var("power", "kW", "power that the load draws", upper=limit)
    used = (power * hours).into(np.repeat(np.arange(len(energy)), len(hours)), energy.shape)
    block.row(
        "energy_used", used == energy, "sum over t of power[l,t] * hours[t] = energy[l]", dims=DIM, lack="kWh"
    )
    block.draw = power.at(meters.place["switched_load"], len(meters.label))
    return block


@pytest.fixture(autouse=True)
def new_device(monkeypatch):
    """Enter the device: its inputs, its row of the device table, and the function that builds it."""
    row = devices.Device("switched_load_owner", "switched_load_power", "switched_load_power_limit")
    monkeypatch.setitem(devices.DEVICES, "switched_load", row)
    monkeypatch.setitem(clearing.DEVICES, "switched_load", switched_load)
    monkeypatch.setattr(contract, "DIMS", (*variables.DIMS, *DIM))
    for name, column in {
        "owner": Variable(DIM, "label", "participant who owns it", of="participant"),
        "power_limit": Variable(DIM, "kW", "most power that it draws", low=0),
        "energy": Variable(DIM, "kWh", "energy that it uses over the horizon", low=0),
    }.items():
        monkeypatch.setitem(variables.TABLE, f"switched_load_{name}", column)
    monkeypatch.setitem(communities._GROUPS, "switched_loads", "switched_load")


def street(name="", energy=3.0):
    """Return a home with PV in the first of two hours and a load of 2 kW, and a neighbour who consumes 1 kW then."""
    home = {"node": "street", "tariff": "retail"}
    return communities.community(
        {
            "slots": [1, 1],
            "grid_carbon": [0.4, 0.6],
            "nodes": {"street": {"parent": "", "access_fee": 0.25}},
            "tariffs": {"retail": {"retail_price": [20.0, 30.0], "feed_in_price": 8.0}},
            "participants": {
                f"{name}sun": {**home, "demand": 0.0, "pv_available": [2.0, 0.0]},
                f"{name}shade": {**home, "demand": [1.0, 0.0], "pv_available": 0.0},
            },
            "switched_loads": {
                f"{name}boiler": {"owner": f"{name}sun", "power_limit": 2.0, "energy": energy}
            },
        }
    )


def groups(tree):
    return (tree[name].to_dataset() for name in run_format.GROUPS)


def test_the_load_draws_when_energy_is_cheap():
    """Of 3 kWh 2 are drawn in the cheap hour, all the PV, and 1 in the dear one; the neighbour buys its own kWh."""
    tree = otonari.clear(street())
    assert tree["results"]["switched_load_power"].values.tolist() == [[2.0, 1.0]]
    assert tree["results"]["draw"].values.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert tree.attrs["objective"] == pytest.approx(1 * 20 + 1 * 30)
    assert tree["settlement"]["bill"].values == pytest.approx([30.0, 20.0])


def test_the_neighbours_trade_what_the_load_leaves():
    """A load of 1 kWh leaves 1 kWh of PV for the neighbour, who has no cheaper offer than 20 less fees."""
    tree = otonari.clear(street(energy=1.0))
    assert tree["settlement"]["peer_energy"] == pytest.approx(1.0)
    assert tree["results"]["peer_sale"].sel(participant="sun").values == pytest.approx([1.0, 0.0])


def test_what_the_load_draws_has_an_origin():
    tree = otonari.clear(street())
    used = tree["settlement"]["demand_from"].sel(participant="sun").sum("time")
    assert used.sel(source=["own", "peers", "retail"]).values == pytest.approx([2.0, 0.0, 1.0])
    assert tree["settlement"]["self_sufficiency"].sel(participant="sun") == pytest.approx(2 / 3)
    assert tree["settlement"]["self_consumption"].sel(participant="sun") == 1.0


@pytest.mark.parametrize("market", ["p2p", "grid-only"])
@pytest.mark.parametrize(
    "seed", range(2_000_000, 2_000_006)
)  # seeds that no other test draws: they are remembered
def test_a_random_community_with_loads_passes_every_check(seed, market):
    inputs = communities.metered_net(
        communities.random_community(seed)
    )  # else loads lack the PV behind their meters
    names = [f"switched_load_{name}" for name in ("owner", "power_limit", "energy")]
    owners = inputs["participant"].values[:2]
    energy = inputs["slot_hours"].sum().item() * np.linspace(0.2, 1.4, len(owners))
    inputs = (
        inputs.drop_vars(["switched_load", *names])
        .assign_coords(switched_load=[f"load of {who}" for who in owners])
        .assign(
            dict(zip(names, [(DIM, owners), (DIM, np.full(len(owners), 2.0)), (DIM, energy)], strict=True))
        )
        .assign(import_limit=inputs["import_limit"] + 2.0)
    )
    tree = otonari.clear(inputs, market)  # fails where a check does
    drawn = (tree["results"]["switched_load_power"] * tree["inputs"]["slot_hours"]).sum("time")
    assert drawn.values == pytest.approx(energy)


def test_the_checks_miss_nothing_of_the_load():
    inputs, results, traded, settled = groups(otonari.clear(street()))
    assert not check(inputs, results, traded, settled)
    load = results["switched_load_power"]

    def broken(power):
        changed = results.assign(switched_load_power=power)
        return {violation.check for violation in check(inputs, changed, traded, settled)}

    shares = {f"{of}{name}" for of in ("", "community_") for name in ("self_sufficiency", "renewable_share")}
    seen = broken(load + xr.DataArray([0.0, 0.5], dims="time"))
    assert seen == {"participant balance", "origin of demand"} | shares
    assert "switched load power limit" in broken(load * 2)
    assert "negative switched_load_power" in broken(-load)


def test_the_report_balances_with_what_the_load_draws():
    tree = otonari.clear(street())
    balance = sections.balance(tree)
    assert balance["switched load"] == -3.0
    assert sum(balance.values()) == pytest.approx(0.0)
    tree.attrs["title"] = "street"
    assert "switched load" in page.report(tree)
    assert float(compare.summary(tree)["grid_import"]) == 2.0


def test_a_run_file_keeps_the_load(tmp_path):
    tree = otonari.clear(street())
    netcdf.write_run(tree, tmp_path / "run.nc")
    again = netcdf.read_run(tmp_path / "run.nc")
    for name in run_format.GROUPS:
        xr.testing.assert_equal(tree[name].to_dataset(), again[name].to_dataset())


def test_a_run_in_chunks_puts_the_loads_of_its_pieces_together(tmp_path):
    trees = [otonari.clear(street(name)) for name in ("east ", "west ")]
    pieces = [tmp_path / "east.nc", tmp_path / "west.nc"]
    for tree, path in zip(trees, pieces, strict=True):
        netcdf.write_run(tree, path)
    fixed = {group: {} for group in run_format.GROUPS}
    zarr.write(tmp_path / "run.zarr", pieces, [zarr.layout(tree) for tree in trees], fixed, {})
    whole = zarr.read_run(tmp_path / "run.zarr")
    assert whole["results"]["switched_load"].values.tolist() == ["east boiler", "west boiler"]
    assert whole["results"]["switched_load_power"].values.tolist() == [[2.0, 1.0]] * 2
    assert whole["inputs"]["switched_load_owner"].values.tolist() == ["east sun", "west sun"]


def test_a_ledger_records_what_the_load_consumes(tmp_path):
    """In the first hour 2 kWh of own PV; in the second 1 kWh of the retailer's, whose name is empty."""
    written = records.cleared(otonari.clear(street()), "street", "otonari")
    sun = [next(leaf for leaf in record["leaves"] if leaf["participant"] == "sun") for record in written]
    assert [leaf["demand"] for leaf in sun] == [{"sun": 2000}, {"": 1000}]
    ledger.commit(tmp_path / "book", written)
    ledger.verify(tmp_path / "book")


@pytest.mark.parametrize("device", ["battery", "vehicle", "heat_pump", "switched_load"])
def test_a_row_names_variables_over_its_device(device):
    """Inputs of the variable table, and results that the model has; what is no store has none of a store's."""
    row, table = devices.DEVICES[device], variables.TABLE
    inputs = (
        contract.complete(
            communities.first_feasible.__wrapped__(4000, False, heat=True)
        )  # kept for no other test
        if device == "heat_pump"
        else street()
    )
    assert table[row.owner].of == "participant"
    for name in filter(None, (row.draw_limit, row.give_limit)):
        assert (table[name].dims, table[name].unit) == ((device,), "kW")
    assert not row.host or table[row.host].dims == (device, "time")
    assert (
        (f"{device}_initial_energy" in table)
        == (device in devices.stores())
        == (device not in devices.loads(inputs))
    )
    block = clearing.community_block(inputs, "grid-only").component(device)
    units = {f"{device}_{var.local_name}": var.unit for var in block.component_objects(Var)}
    assert all(units[name] == "kW" for name in (row.draw, row.give) if name)
    assert not row.energy or units[row.energy] == "kWh"


def test_every_row_has_a_device_and_every_device_a_row():
    assert set(clearing.DEVICES) == {"household", *devices.DEVICES}  # every participant is a household


def test_only_stores_give():
    with pytest.raises(AssertionError, match="only stores give"):
        devices.Device("owner", "draw", "draw_limit", give="give")


def test_a_load_that_cannot_be_served_is_named():
    """2 kW over two hours are 4 kWh at most: of 10 kWh, 6 are lacking, at no slot in particular."""
    with pytest.raises(Infeasible) as error:
        otonari.solve(otonari.community_block(contract.complete(street(energy=10.0))))
    assert [(c.who, c.when, round(c.amount, 6), c.lack) for c in error.value.causes] == [
        ("switched_load boiler", "any time", 6.0, "kWh")
    ]


def test_results_without_a_device_that_nobody_has_pass():
    """Simulations and the unmanaged market know nothing of it."""
    tree = otonari.clear(street().isel(switched_load=[]), "unmanaged")
    assert "switched_load_power" not in tree["results"]
