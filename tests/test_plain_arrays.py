"""Plain arrays that stand for a Dataset: they say what it says, and never change."""

import numpy as np
import pytest
import xarray as xr

import otonari
from otonari.data.inputs.arrays import Arrays, Field, as_dataset, assembled, derived
from otonari.data.inputs.validation import validate
from otonari.model.labels import positions
from otonari.model.topology.stores import stores
from otonari.model.topology.traders import traders
from otonari.runs.store import digest


@pytest.fixture(scope="module")
def dataset():
    return otonari.build_inputs(otonari.load_scenario("six-kinds"))


def same(arrays, dataset):
    """Assert that plain arrays hold what a Dataset holds, and no more."""
    assert dict(arrays.sizes) == dict(dataset.sizes)
    assert set(arrays.coords) == set(dataset.coords)
    assert set(arrays.data_vars) == set(dataset.data_vars) == set(arrays)
    assert arrays.attrs == dataset.attrs
    for name, variable in dataset.variables.items():
        assert arrays[name].dims == variable.dims
        assert arrays[name].attrs == variable.attrs
        assert arrays[name].dtype == variable.values.dtype
        np.testing.assert_array_equal(arrays[name].values, variable.values)


def test_they_answer_as_the_dataset_does(dataset):
    arrays = Arrays.of(dataset)
    same(arrays, dataset)
    same(arrays.isel(time=slice(2, 5)), dataset.isel(time=slice(2, 5)))
    same(arrays.isel(time=[4], trip=np.array([], dtype=int)), dataset.isel(time=[4], trip=[]))
    demand = dataset["demand"].copy(data=2.0 * dataset["demand"].values)
    changed = {"demand": demand, "hook": (("time",), np.arange(dataset.sizes["time"]), {"units": "kW"})}
    same(arrays.assign(changed), dataset.assign(changed))
    same(arrays.drop_vars("demand"), dataset.drop_vars("demand"))
    same(arrays.drop_vars(["nothing"], errors="ignore"), dataset)
    same(arrays.drop_dims("trip"), dataset.drop_dims("trip"))
    without, labels = arrays.drop_dims("trip"), ("trip", np.array(["a", "b"]))
    same(without.assign_coords(trip=labels), dataset.drop_dims("trip").assign_coords(trip=labels))
    names = ["retail_price", "battery_owner"]
    same(arrays[names], dataset[names])
    assert validate(arrays) == validate(dataset) == []


def test_they_become_a_dataset_again_that_may_be_changed(dataset):
    arrays = Arrays.of(dataset)
    xr.testing.assert_identical(as_dataset(arrays), dataset)
    assert as_dataset(dataset) is dataset
    square = np.array([[0.0, 1.0], [2.0, 3.0]])
    views = {"turned": (("a", "b"), square.T), "row": (("b",), square[0]), "whole": (("a", "b"), square)}
    views["all"] = (("a", "b"), np.broadcast_to(1.0, (2, 2)))
    again = as_dataset(assembled(Arrays({}, [], {}), views))
    np.testing.assert_array_equal(again["turned"], [[0.0, 2.0], [1.0, 3.0]])
    again["all"].values[0, 0], again["row"].values[0], again["turned"].values[1, 0] = 5.0, 6.0, 7.0
    assert again["all"].values.tolist() == [[5.0, 1.0], [1.0, 1.0]]
    assert square.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    again["whole"].values[0, 1] = 8.0
    assert square[0, 1] == 8.0


def test_every_group_of_a_clearing_is_a_dataset_that_may_be_changed(dataset):
    tree = otonari.clear(dataset)
    for group in ("inputs", "results", "trades", "settlement"):
        for name, variable in tree[group].to_dataset().data_vars.items():
            assert variable.values.flags.writeable, (group, name)


def test_a_field_is_turned_and_cut_as_an_array_is(dataset):
    field, array = Arrays.of(dataset)["demand"], dataset["demand"]
    for dims in (("time", ...), (..., "participant"), ("time", "participant"), ("participant", "time")):
        assert field.transpose(*dims).dims == array.transpose(*dims).dims
        np.testing.assert_array_equal(field.transpose(*dims).values, array.transpose(*dims).values)
    assert field.transpose("slot", ..., missing_dims="ignore").dims == array.dims
    assert field.isel(time=0).dims == ("participant",)
    assert (field.size, field.ndim, field.sizes) == (array.size, 2, dict(array.sizes))
    np.testing.assert_array_equal(np.where(False, 0.0, field), array.values)


def test_they_never_change(dataset):
    arrays = Arrays.of(dataset)
    with pytest.raises(ValueError, match="read-only"):
        arrays["demand"].values[0, 0] = 1.0
    assert dataset["demand"].values.flags.writeable
    with pytest.raises(ValueError, match="along 'time'"):
        arrays.assign(demand=(("participant", "time"), np.zeros((arrays.sizes["participant"], 5))))
    with pytest.raises(ValueError, match="dims"):
        Field(("time",), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="nothing"):
        arrays.drop_vars("nothing")


def test_what_follows_from_them_is_computed_once_and_anew_for_others(dataset):
    count = []

    @derived
    def total(inputs):
        count.append(1)
        return float(inputs["demand"].values.sum())

    arrays = Arrays.of(dataset)
    assert total(arrays) == total(arrays) == total(dataset) == total(dataset)
    assert len(count) == 3
    more = arrays.assign(demand=arrays["demand"].copy(data=arrays["demand"].values + 1.0))
    assert total(more) == pytest.approx(total(arrays) + arrays["demand"].size)
    assert traders(arrays) is traders(arrays)
    np.testing.assert_array_equal(stores(arrays).trader, stores(dataset).trader)


def test_what_is_known_of_a_field_does_not_hide_what_is_wrong_with_another(dataset):
    arrays = Arrays.of(dataset)
    assert validate(arrays) == []  # every field is known to be sound now
    owners, limits = dataset["battery_owner"].values.copy(), dataset["battery_charge_limit"].values.copy()
    owners[1], limits[0] = "nobody", -1.0
    wrong = {"battery_owner": (("battery",), owners), "battery_charge_limit": (("battery",), limits)}
    found = validate(arrays.assign(wrong))
    assert [p.field for p in found] == ["battery_charge_limit", "battery_owner"]
    renamed = {"participant": (("participant",), np.char.add(dataset["participant"].values, "x"))}
    fields = {p.field for p in validate(arrays.assign(renamed))}
    assert {"battery_owner", "vehicle_owner", "vehicle_host"} <= fields


def test_positions_of_labels_are_those_of_the_dataset_and_cannot_be_changed(dataset):
    arrays = Arrays.of(dataset)
    for name, dim in (
        ("vehicle_host", "participant"),
        ("battery_owner", "participant"),
        ("trip_vehicle", "vehicle"),
    ):
        np.testing.assert_array_equal(positions(arrays, name, dim), positions(dataset, name, dim))
    backwards = arrays.assign(participant=(("participant",), dataset["participant"].values[::-1]))
    turned = dataset.sizes["participant"] - 1 - positions(dataset, "battery_owner", "participant")
    np.testing.assert_array_equal(positions(backwards, "battery_owner", "participant"), turned)
    with pytest.raises(ValueError, match="read-only"):
        positions(arrays, "battery_owner", "participant")[0] = 0


@pytest.mark.parametrize("part", [digest.PART, 7])
def test_their_digests_are_those_of_the_dataset(dataset, monkeypatch, part):
    monkeypatch.setattr(digest, "PART", part)
    arrays, expected = Arrays.of(dataset), digest.values(dataset, "some", 1000)
    assert digest.values(arrays, "some", 1000) == digest.values(arrays, "some", 1000) == expected
    assert digest.values(arrays, "some", 10) == digest.values(dataset, "some", 10) != expected
    assert digest.slots(arrays, "some", 1000) == digest.slots(dataset, "some", 1000)
    other = arrays.assign(demand=arrays["demand"].copy(data=arrays["demand"].values + 1.0))
    assert digest.values(other, "some", 1000) != expected


def test_results_are_of_the_kind_of_their_inputs(dataset):
    variables = {"draw": (("participant", "time"), dataset["demand"].values, {"units": "kW"})}
    made = assembled(dataset, variables)
    assert isinstance(made, xr.Dataset)
    same(assembled(Arrays.of(dataset), variables), made)
