"""What was traded for each slot so far."""

from dataclasses import dataclass

from ..labels import Array, sum_at


@dataclass(frozen=True)
class Deals:
    """The D trades of one slot in the order in which they were made: traders, energy [kWh] and prices.

    The seller gets ``price``, the buyer pays ``price + fee + congestion`` [currency/kWh]. ``energy`` is what is
    delivered of the ``contracted`` energy; as long as nothing is delivered yet, both are the same.
    """

    seller: Array
    buyer: Array
    energy: Array
    price: Array
    fee: Array
    congestion: Array
    contracted: Array

    def net(self, size: int) -> Array:
        """Return the energy (size,) that every trader bought less what it sold [kWh]."""
        return sum_at(self.buyer, self.energy, size) - sum_at(self.seller, self.energy, size)
