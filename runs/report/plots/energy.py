"""Plots of energy: power by source and use, trades between members, states of charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....data.inputs import devices
from ....data.inputs.contract import InputError, Problem
from ..pages import energy_pictures
from ..powers import powers
from .frame import COLOURS, Run, axes, over_time, tree_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def dispatch(run: Run, ax: Axes | None = None, participant: str | None = None) -> Axes:
    """Draw power by source above zero and by use below, slot by slot [kW], and return the axes.

    Parameters
    ----------
    run : DataTree or path
        A run as `otonari.clear` returns it, or its file.
    ax : Axes, optional
        Where to draw; by default on a new figure.
    participant : str, optional
        The member whose powers are drawn, its vehicles wherever they are plugged in; by default the community.

    Raises
    ------
    InputError
        If there is no such member, or matplotlib is not installed.
    """
    ax, tree = axes(ax), tree_of(run)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    people = inputs["participant"].values.tolist()
    if participant is not None and participant not in people:
        raise InputError(
            [Problem("plot", "", "participant", repr(participant), f"one of {', '.join(people)}")]
        )
    at = over_time(ax, inputs)
    level = {True: np.zeros(len(at) - 1), False: np.zeros(len(at) - 1)}
    for k, (name, power) in enumerate(powers(inputs, results, participant).items()):
        base = level[bool(power.sum() >= 0)]
        colour = COLOURS[energy_pictures.COLOURS.get(name, k) % len(COLOURS)]
        ax.stairs(base + power, at, baseline=base.copy(), fill=True, color=colour, label=name)
        base += power
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set_ylabel("kW")
    ax.set_title(f"{participant or 'community'}: sources above zero, uses below", fontsize="medium")
    ax.legend(fontsize="small", ncols=2)
    return ax


def trades(run: Run, ax: Axes | None = None) -> Axes:
    """Draw what each member sold to each over the horizon, as a matrix of sellers and buyers [kWh]; return the axes."""
    ax, tree = axes(ax), tree_of(run)
    people = [str(name) for name in tree["inputs"].indexes["participant"]]
    place = {name: k for k, name in enumerate(people)}
    made = tree["trades"].to_dataset()
    seller, buyer = ([place[str(n)] for n in made[f"trade_{side}"].values] for side in ("seller", "buyer"))
    energy = np.zeros((len(people), len(people)))
    np.add.at(energy, (seller, buyer), made["trade_energy"].values)
    image = ax.imshow(np.where(energy > 0, energy, np.nan), cmap="Blues", vmin=0.0)
    at = np.arange(len(people))
    ax.set_xticks(at, people, rotation=90, fontsize="small")
    ax.set_yticks(at, people, fontsize="small")
    ax.set_xlabel("buyer")
    ax.set_ylabel("seller")
    ax.figure.colorbar(image, ax=ax, label="kWh")
    return ax


def storage(run: Run, ax: Axes | None = None) -> Axes:
    """Draw the states of charge of batteries and vehicles at the ends of slots [% of capacity]; return the axes."""
    ax, tree = axes(ax), tree_of(run)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    rows, labels = [np.zeros((0, inputs.sizes["time"]))], []
    for device in devices.stores():
        capacity = inputs[f"{device}_capacity"].values[:, None]
        energy = results[f"{device}_energy"].transpose(device, "time").values
        rows.append(np.divide(100 * energy, capacity, out=np.zeros_like(energy), where=capacity > 0))
        labels += [str(name) for name in inputs[device].values]
    at = over_time(ax, inputs)
    mesh = ax.pcolormesh(
        at, np.arange(len(labels) + 1), np.concatenate(rows), cmap="Greens", vmin=0, vmax=100
    )
    ax.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize="small")
    ax.invert_yaxis()
    ax.figure.colorbar(mesh, ax=ax, label="% of capacity")
    return ax
