"""Plots for notebooks: what stands on the axes are the values of the run."""

import subprocess
import sys

import numpy as np
import pytest

import otonari
from otonari.data.problems import InputError
from otonari.runs.report.powers import powers

pytest.importorskip("matplotlib", reason="install the extra plot for matplotlib")
from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def tree():
    return otonari.clear(otonari.build_inputs(otonari.load_scenario("six-kinds")))


def new_axes():
    return Figure().add_subplot()


def steps(ax):
    """Return what every flight of steps on the axes adds to its base, by its label."""
    drawn = {}
    for patch in ax.patches:
        data = patch.get_data()
        base = 0.0 if data.baseline is None else data.baseline
        drawn[patch.get_label()] = np.asarray(data.values) - base
    return drawn


def test_the_community_is_drawn_as_it_was_dispatched(tree):
    ax = new_axes()
    assert otonari.plot.dispatch(tree, ax) is ax
    drawn, results = steps(ax), tree["results"]
    assert drawn["retailer"] == pytest.approx(
        (results["grid_import"].sum("participant") + results["vehicle_import"].sum("vehicle")).values
    )
    assert drawn["demand"] == pytest.approx(-tree["inputs"]["demand"].sum("participant").values)
    assert drawn["into vehicles"] == pytest.approx(-results["vehicle_charge"].sum("vehicle").values)
    assert sum(drawn.values()) == pytest.approx(np.zeros(24), abs=1e-6)  # what comes in goes somewhere
    assert ax.get_ylabel() == "kW"
    assert ax.get_xlabel() == "Asia/Tokyo"


def test_the_powers_of_a_member_balance_and_add_up_to_the_communitys(tree):
    groups = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    people = tree["inputs"]["participant"].values.tolist()
    own = {name: powers(*groups, name) for name in people}
    for name in people:
        assert sum(own[name].values()) == pytest.approx(np.zeros(24), abs=1e-6), name
    for use, power in powers(*groups).items():
        assert sum(series.get(use, np.zeros(24)) for series in own.values()) == pytest.approx(power, abs=1e-5)
    traded = sum(series.get("peers", 0.0) + series.get("to peers", 0.0) for series in own.values())
    assert traded == pytest.approx(np.zeros(24), abs=1e-6)
    assert set(steps(otonari.plot.dispatch(tree, new_axes(), people[0]))) == set(own[people[0]])


def test_somebody_else_is_named(tree):
    with pytest.raises(InputError, match="participant: got 'nobody', want one of home-01, home-02"):
        otonari.plot.dispatch(tree, new_axes(), "nobody")


def test_prices_are_those_of_the_nodes_between_those_of_the_retailer(tree):
    drawn, inputs = steps(otonari.plot.prices(tree, new_axes())), tree["inputs"]
    for node in set(inputs["participant_node"].values.tolist()):
        assert drawn[node] == pytest.approx(tree["results"]["price"].sel(node=node).values, nan_ok=True)
    assert drawn["retail"] == pytest.approx(inputs["retail_price"].values[0])
    assert drawn["feed-in"] == pytest.approx(inputs["feed_in_price"].values[0])


def test_trades_are_those_of_the_run(tree):
    ax = otonari.plot.trades(tree, new_axes())
    made, table = tree["trades"].to_dataset(), ax.images[0].get_array().filled(0.0)
    people = [label.get_text() for label in ax.get_yticklabels()]
    for i, seller in enumerate(people):
        for j, buyer in enumerate(people):
            here = (made["trade_seller"] == seller) & (made["trade_buyer"] == buyer)
            assert table[i, j] == pytest.approx(float(made["trade_energy"].where(here, 0.0).sum()))
    assert table.sum() > 0


def test_states_of_charge_and_savings_are_those_of_the_run(tree):
    drawn = otonari.plot.storage(tree, new_axes()).collections[0].get_array()
    want = [
        100 * tree["results"][f"{d}_energy"].values / tree["inputs"][f"{d}_capacity"].values[:, None]
        for d in ("battery", "vehicle")
    ]
    assert drawn.filled(np.nan) == pytest.approx(np.concatenate(want))
    ax = otonari.plot.savings(tree, new_axes())
    names = [label.get_text() for label in ax.get_yticklabels()]
    widths = {names[round(bar.get_y() + bar.get_height() / 2)]: bar.get_width() for bar in ax.patches}
    saving = tree["settlement"]["saving"]
    assert widths == pytest.approx({str(p): float(saving.sel(participant=p)) for p in names})
    assert list(widths.values()) != []
    assert names == [str(p) for p in saving["participant"].values[np.argsort(-saving.values, kind="stable")]]


def test_a_sweep_has_a_line_per_combination():
    import xarray as xr

    saving = xr.DataArray(
        [[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]],
        dims=("market", "fees.access_fee_per_kwh"),
        coords={"market": ["p2p", "exchange"], "fees.access_fee_per_kwh": [0.0, 1.0, 2.5]},
        attrs={"units": "JPY"},
    )
    swept = xr.Dataset({"saving": saving, "reason": saving.astype(str)})
    ax = otonari.plot.sweep(swept, new_axes())
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["market=p2p"].get_xdata().tolist() == [0.0, 1.0, 2.5]
    assert lines["market=exchange"].get_ydata() == pytest.approx([4.0, 5.0, np.nan], nan_ok=True)
    assert ax.get_ylabel() == "saving [JPY]"
    with pytest.raises(InputError, match="value: got 'reason', want one of saving"):
        otonari.plot.sweep(swept, new_axes(), "reason")
    assert len(otonari.plot.sweep(swept, new_axes(), over="market").get_lines()) == 3
    with pytest.raises(InputError, match="over: got 'x', want one of market, fees"):
        otonari.plot.sweep(swept, new_axes(), over="x")


def test_a_stored_run_is_drawn_on_a_figure_of_its_own(tree, tmp_path):
    from otonari.runs.store import netcdf

    netcdf.write_run(tree, tmp_path / "run.nc")
    import matplotlib.pyplot as plt

    ax = otonari.plot.savings(tmp_path / "run.nc")
    assert ax.figure.axes
    plt.close(ax.figure)


def test_importing_otonari_imports_no_matplotlib():
    script = "import sys, otonari; otonari.plot; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
