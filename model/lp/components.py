"""Pyomo components backed by arrays: solved as a sparse matrix, and ordinary Pyomo to everybody else.

:class:`ArrayVar` is an ``IndexedVar`` and :class:`ArrayConstraint` (in `rows`) an ``IndexedConstraint``. Their data are
arrays; ``VarData`` and ``ConstraintData`` are made at first access (by a host model, an LP writer, a user); from then on
what they say holds. This uses Pyomo internals, the ``_data`` dictionary, ``_index_set`` and ``construct``: the project
pins Pyomo's minor version, and tests compare with Pyomo's own LP writer.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import product
from operator import is_
from typing import Any, NamedTuple

import numpy as np
from pyomo.core.base.set import Binary, Reals, Set, SetProduct
from pyomo.core.base.var import IndexedVar, VarData

from ..labels import Array
from .expressions import Linear, Term, over


class Copy(NamedTuple):
    """What a family of variables copies while a family of binaries over the same sets is 1, and is zero else."""

    source: Linear
    switch: Any


class OnDemand:
    """An indexed component whose data objects, and the sets of their indices, are made at first access.

    Its ``sets`` are set before Pyomo's own ``__init__`` runs, which is given none: their product is costly, and most
    families are solved without it.
    """

    name: str
    absent = ""
    sets: tuple[Any, ...]
    _stored: dict[Any, Any] | None
    _crossed: Any = None
    _existing: Any = None
    position: Array

    @property
    def _data(self) -> dict[Any, Any]:
        if self._stored is None:
            self._stored = {}  # set first: _make may read it
            self._stored.update(self._make())
        return self._stored

    @_data.setter
    def _data(self, stored: dict[Any, Any]) -> None:
        self._stored = stored

    @property
    def touched(self) -> bool:
        """Whether the data objects exist, so that they and not the arrays hold the truth."""
        return self._stored is not None

    @property
    def _index_set(self) -> Any:
        """The set of the indices that exist: of some over the product of the sets, a set of their own."""
        if not hasattr(self, "position") or len(self.position) == len(self._product):
            return self._product
        if self._existing is None:
            self._existing = Set(
                initialize=self.labels(), dimen=self._product.dimen, name=f"{self.name}_index"
            )
            self._existing.construct()
        return self._existing

    @_index_set.setter
    def _index_set(self, none: Any) -> None:
        """Take no set from Pyomo: it was given none."""

    @property
    def _product(self) -> Any:
        """The product of the sets."""
        if self._crossed is None:
            self._crossed = SetProduct(*self.sets) if len(self.sets) > 1 else self.sets[0]
        return self._crossed

    def is_indexed(self) -> bool:
        """Return True: there are sets, whatever entries exist."""
        return True

    def dim(self) -> int:
        """Return the number of sets."""
        return len(self.sets)

    @abstractmethod
    def _make(self) -> dict[Any, Any]:
        """Return the data objects by index."""

    def construct(self, data: Any = None) -> None:
        """Mark the component as constructed; its data objects are made at first access."""
        if not self._constructed:  # type: ignore[has-type]
            self._constructed = True
            self._stored = None

    def labels(self) -> list[Any]:
        """Return the Pyomo index of every entry, in the order of the arrays."""
        sets = [list(s) for s in self.sets]
        indices = list(product(*sets)) if len(sets) > 1 else sets[0]
        return [indices[i] for i in self.position]

    def _validate_index(self, index: Any) -> Any:
        try:
            return super()._validate_index(index)  # type: ignore[misc]
        except KeyError:
            if index in self._product:
                raise KeyError(f"{self.name}[{index}] does not exist: {self.absent}") from None
            raise


class ArrayVar(OnDemand, IndexedVar):
    """A family of variables over one or two sets, with bounds as arrays.

    ``where`` (same shape as the sets) says which entries exist at all; the others are zero.
    """

    absent = "it could only ever be zero"
    _made: tuple[VarData, ...] = ()

    def __init__(
        self, sets: tuple[Any, ...], lower: Any, upper: Any, where: Any, binary: bool, unit: str, doc: str
    ):
        self.sets = sets
        super().__init__(doc=doc, dense=False)
        self.shape = tuple(len(s) for s in sets)
        self.position: Array = np.flatnonzero(over(np.asarray(where), self.shape))
        self.lower: Array = self.entries_of(lower).astype(float)
        self.upper: Array = self.entries_of(upper).astype(float)
        self.binary = binary
        self.unit = unit
        self.pricing_stage: Array = np.zeros(len(self.position), dtype=int)
        self.virtual_node: Array = np.zeros(len(self.position), dtype=int)
        self.basic: Array = np.zeros(len(self.position), dtype=bool)
        self.in_use: Array = np.zeros(len(self.position), dtype=bool)
        self.shared = False
        self.copied: Copy | None = None
        self._values: Array | None = None

    def entries_of(self, values: Any) -> Array:
        """Return the values of every entry (entries,) from those over the sets, or from one for all."""
        values = np.asarray(values)
        if not values.ndim:
            return np.full(len(self.position), values)
        return over(values, self.shape).ravel()[self.position]

    def linear(self) -> Linear:
        """Return the family as an array of expressions."""
        columns = np.arange(len(self.position))
        return Linear(self.shape, None, [Term(self, self.position, columns, np.ones(len(columns)))])

    def _make(self) -> dict[Any, VarData]:
        data = {}
        values = self._values if self._values is not None else [None] * len(self.position)
        binary = np.broadcast_to(self.binary, len(self.position)).tolist()
        for index, low, high, value, whole in zip(
            self.labels(), self.lower.tolist(), self.upper.tolist(), values, binary, strict=True
        ):
            variable = data[index] = VarData(component=self)
            variable._index = index
            variable._domain = (
                Binary if whole else Reals
            )  # the setter would look the index up before it exists
            variable.setlb(None if low == -np.inf else low)
            variable.setub(None if high == np.inf else high)
            if value is not None:
                variable.set_value(float(value), skip_validation=True)
        self._made = tuple(data.values())
        return data

    def entries(self) -> list[VarData]:
        """Return the data objects in the order of the arrays; raise ValueError where one was deleted."""
        entries = list(self._data.values())
        if not len(entries) == len(self._made) == len(self.position) or not all(
            map(is_, entries, self._made)
        ):
            raise ValueError(f"{self.name}: got an entry that was deleted, want it fixed at zero instead")
        return entries

    def bounds_now(self) -> tuple[Array, Array]:
        """Return the lower and upper bounds (entries,), with the values of fixed entries as both."""
        if not self.touched:
            return self.lower, self.upper
        entries = self.entries()
        empty = [v.name for v in entries if v.fixed and v.value is None]
        if empty:
            raise ValueError(f"{', '.join(empty)}: got a fixed variable without a value")
        pairs = [(v.value, v.value) if v.fixed else v.bounds for v in entries]
        low = np.array([-np.inf if p[0] is None else p[0] for p in pairs], dtype=float)
        return low, np.array([np.inf if p[1] is None else p[1] for p in pairs], dtype=float)

    def integer_now(self) -> Array:
        """Return which entries (entries,) are integers: not those that are fixed."""
        if not self.touched:
            return np.array(np.broadcast_to(self.binary, len(self.position)))
        return np.array([not v.fixed and domain(v) for v in self.entries()], dtype=bool)

    def store(self, values: Array) -> None:
        """Take over the values of a solution, one per entry."""
        self._values = values
        if self.touched:
            for variable, value in zip(self.entries(), values.tolist(), strict=True):
                if not variable.fixed:
                    variable.set_value(value, skip_validation=True)

    @property
    def stored(self) -> bool:
        """Whether the values are those of our own solve, and of nobody's after it."""
        return self._values is not None and (
            not self.touched or [v.value for v in self.entries()] == self._values.tolist()
        )

    def array(self) -> Array:
        """Return the value of every entry (entries,), wherever it was solved; raise ValueError if unsolved."""
        if self.touched:
            values = [v.value for v in self.entries()]
            if None in values:
                raise ValueError(f"{self.name} has no value yet: solve the model first")
            return np.array(values, dtype=float)
        if self._values is None and len(self.position):
            raise ValueError(f"{self.name} has no value yet: solve the model first")
        return np.zeros(0) if self._values is None else self._values

    def dense(self) -> Array:
        """Return the values over the whole shape, zero where an entry does not exist."""
        full = np.zeros(int(np.prod(self.shape)))
        full[self.position] = self.array()
        return full.reshape(self.shape)


def domain(data: VarData) -> bool:
    """Return whether a variable is an integer; raise ValueError if it is neither that nor continuous."""
    integer = bool(data.is_integer())
    if not integer and not data.is_continuous():
        raise ValueError(f"{data.name}: got the domain {data.domain}, want reals or integers")
    return integer
