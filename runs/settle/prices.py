"""The price of shared energy where only energies or contracts say it."""

import numpy as np

from ...data.assembly.sharing_community import Community, tariff_range
from ...data.schema.settlement import AsContracted, Settlement, SupplyDemandRatio
from ...model.labels import Array
from ...model.settlement import pool_prices
from .contracted import Contracts


def shared_price(
    settlement: Settlement,
    community: Community,
    contracts: Contracts | None,
    withdrawn: Array,
    injected: Array,
) -> Array:
    """Return the price of shared energy (time,) [currency/kWh], of members' energies (member, time) [Wh]."""
    rule = settlement.sharing.price
    if contracts is not None and isinstance(rule, AsContracted):
        return contracts.price
    if not isinstance(rule, SupplyDemandRatio):
        return community.price
    wanted, given = withdrawn.sum(axis=0), injected.sum(axis=0)
    ratio = np.divide(given, wanted, out=np.zeros(len(wanted)), where=wanted > 0)
    offers = pool_prices.Offers(*tariff_range(settlement, community.inputs), ratio)
    return pool_prices.supply_demand_ratio(offers, rule.compensation)
