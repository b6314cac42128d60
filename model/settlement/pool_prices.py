"""Prices of a community as a pool: one price per slot, between what its buyers and its sellers have without peers.

With the offers of those who trade in a slot, what a buyer would pay the retailer less the network's fees of its trade,
and what a seller would get from the retailer::

    B = least over trades of retail[buyer] - fee        S = greatest over trades of feed_in[seller]

Where S <= price <= B, no trade costs its buyer or seller anything. Where tariffs differ it may be that B < S: no one
price suits all then, the price is the mean of both, and somebody is worse off.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..labels import Array, positions
from ..topology.traders import traders


class Offers(NamedTuple):
    """The offers of every slot (time,): B and S [currency/kWh], and what is for sale over what is wanted, or 0."""

    buying: Array
    selling: Array
    ratio: Array


def offers(
    inputs: xr.Dataset, results: xr.Dataset, *, seller: Array, buyer: Array, slot: Array, fee: Array
) -> Offers:
    """Return the offers of every slot, of trades (trade,) between positions of traders; see the module.

    For sale is what all meters give, to peers and to the retailer, wanted what all draw. NaN where nobody trades.
    """
    who, slots = traders(inputs), inputs.sizes["time"]
    tariff = positions(inputs, "participant_tariff", "tariff")[who.account]
    buying, selling = np.full(slots, np.inf), np.full(slots, -np.inf)
    np.minimum.at(buying, slot, inputs["retail_price"].values[tariff[buyer], slot] - fee)
    np.maximum.at(selling, slot, inputs["feed_in_price"].values[tariff[seller], slot])
    idle = np.isinf(buying)
    given, drawn = (
        sum(who.stack(results[f"{own}_{way}"], results[f"vehicle_{way}"]).sum(axis=0) for own, way in ways)
        for ways in ((("grid", "export"), ("peer", "sale")), (("grid", "import"), ("peer", "purchase")))
    )
    ratio = np.divide(given, drawn, out=np.zeros(slots), where=np.asarray(drawn) > 0)
    return Offers(np.where(idle, np.nan, buying), np.where(idle, np.nan, selling), ratio)


def mid_market(offers: Offers) -> Array:
    """Return the mid-market rate (time,) [currency/kWh]: (B + S) / 2.

    Long et al., "Peer-to-peer energy trading in a community microgrid", IEEE PES General Meeting (2017),
    doi:10.1109/PESGM.2017.8274546.
    """
    return (offers.buying + offers.selling) / 2


def supply_demand_ratio(offers: Offers, compensation: float = 0.0) -> Array:
    """Return the price by supply over demand (time,) [currency/kWh]: B where little is for sale, S where much is.

    With the ratio R of what is for sale to what is wanted, and the part L = compensation (B - S) that sellers get beyond
    S in any case::

        price = B (S + L) / ((B - S - L) R + S + L)    where R < 1
                S + L / R                              where R >= 1

    Liu et al., "Energy-sharing model with price-based demand response for microgrids of peer-to-peer prosumers", IEEE
    Trans. Power Systems 32 (2017), doi:10.1109/TPWRS.2017.2649558; with compensation Zhou et al., Applied Energy 222
    (2018), doi:10.1016/j.apenergy.2018.02.089. Where not 0 <= S <= B the ratio says nothing: there it is `mid_market`.
    """
    buying, selling, ratio = offers
    least = selling + compensation * (buying - selling)
    below = (buying - least) * ratio + least
    scarce = np.divide(buying * least, below, out=np.array(buying, dtype=float), where=below > 0)
    ample = selling + (least - selling) / np.maximum(ratio, 1.0)
    defined = (selling >= 0) & (buying >= selling)
    return np.asarray(np.where(defined, np.where(ratio < 1, scarce, ample), mid_market(offers)))
