"""A row of the table of flexible loads: appliances that wait, runs of a fixed shape, demand that may be shed."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ..values import Closed, Label, Limit, Moment, NotNegative, Positive, Rating, Real, TimeOfDay, Whole

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Literal["all", "weekdays", "weekends"]


def _listed(given: Any) -> Any:
    """Return the parts of a cell, separated by blanks; a list as it is."""
    return tuple(given.replace(";", " ").split()) if isinstance(given, str) else given


def _days(given: Any) -> Any:
    return given if given in ("all", "weekdays", "weekends") else _listed(given)


Powers = Annotated[tuple[NotNegative, ...], BeforeValidator(_listed)]
"""Powers one after another [kW], in a cell separated by blanks."""
OnDays = Annotated[
    Days | tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], BeforeValidator(_days)
]
"""Days of the week: all, weekdays, weekends, or in a cell "mon tue"."""


class FlexibleLoad(Closed):
    """A load behind its owner's meter, with a window on each of its days, or one dated window.

    It is one of three: *deferrable*, with ``energy_kwh`` to draw within the window at ``power_kw`` at the most (in one
    run at that power unless it is ``interruptible``); with a ``shape``, one run of fixed powers; or *curtailable*, part
    of its owner's demand that may be shed within the window at ``shed_per_kwh``.
    """

    load: Label = Field(description="unique label")
    owner: Label = Field(description="participant behind whose meter it is")
    earliest: TimeOfDay | Moment = Field(
        default="00:00", description='begin of the window: local "HH:MM", or one time'
    )
    deadline: TimeOfDay | Moment = Field(
        default="24:00", description="its end: up to the earliest = the next day; like the earliest"
    )
    days: OnDays = Field(
        default="all",
        description="days on which windows begin: all, weekdays, weekends, or a list such as mon tue",
    )
    energy_kwh: Positive | None = Field(default=None, description="deferrable: energy to draw in the window")
    power_kw: Rating | None = Field(default=None, description="deferrable: most power")
    min_power_kw: Limit = Field(default=0.0, description="deferrable: least power while it runs")
    interruptible: bool = Field(default=True, description="deferrable: false = one run at power_kw")
    shape: Powers | None = Field(
        default=None, description="powers of a run, one for each step, such as 2.0 2.0 0.5"
    )
    step_minutes: Annotated[Whole, Field(ge=1, le=1440)] | None = Field(
        default=None, description="length of a step of the shape (default: the slot)"
    )
    shed_per_kwh: NotNegative | None = Field(
        default=None, description="curtailable: value of a kWh that is shed"
    )
    share_percent: Annotated[Real, Field(gt=0, le=100)] = Field(
        default=100.0, description="curtailable: part of its owner's demand that may be shed"
    )
    shed_kw: Limit | None = Field(
        default=None, description="curtailable: most power shed (default: no limit)"
    )
    shed_kwh: NotNegative | None = Field(
        default=None, description="curtailable: most energy shed in a window (default: no limit)"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in _ONLY if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise PydanticCustomError("load", "one of energy_kwh, shape and shed_per_kwh")
        for kind, columns in _ONLY.items():
            for name in columns if kind != kinds[0] else ():
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise PydanticCustomError(name, "nothing, as the load has no {kind}", {"kind": kind})
        if self.energy_kwh is not None and self.power_kw is None:
            raise PydanticCustomError("power_kw", "the most power that it draws beside energy_kwh")
        if self.min_power_kw > (self.power_kw or 0.0) and self.energy_kwh is not None:
            raise PydanticCustomError("min_power_kw", "at most power_kw")
        if not self.interruptible and self.min_power_kw:
            raise PydanticCustomError("min_power_kw", "nothing, as it runs at power_kw")
        if self.shape is not None and not max(self.shape, default=0.0) >= 1e-3:
            raise PydanticCustomError(
                "shape", "powers in kW such as 2.0 2.0 0.5, one of them more than a watt"
            )
        return self

    @model_validator(mode="after")
    def _window(self) -> Self:
        dated = [not isinstance(moment, str) for moment in (self.earliest, self.deadline)]
        if dated[0] != dated[1]:
            raise PydanticCustomError("deadline", 'both "HH:MM", or both times with a date')
        if self.earliest == "24:00":
            raise PydanticCustomError("earliest", 'a time of day before "24:00"')
        if dated[0] and self.days != "all":
            raise PydanticCustomError("days", "nothing beside times with a date")
        if not isinstance(self.earliest, str) and not isinstance(self.deadline, str):
            if (self.earliest.tzinfo is None) != (self.deadline.tzinfo is None):
                raise PydanticCustomError("deadline", "both times with a UTC offset, or neither")
            if self.deadline <= self.earliest:
                raise PydanticCustomError("deadline", "a deadline after the earliest time")
        return self

    @property
    def runs(self) -> bool:
        """Whether it runs once in a window, in a fixed shape."""
        return self.shape is not None or not self.interruptible

    @property
    def most_kw(self) -> float:
        """The most power that it draws, but for a curtailable one [kW]."""
        return max(self.shape) if self.shape is not None else self.power_kw or 0.0

    def on(self, weekday: int) -> bool:
        """Return whether it has a window that begins on a day of the week, 0 = Monday."""
        if isinstance(self.days, str):
            return {"all": True, "weekdays": weekday < 5, "weekends": weekday >= 5}[self.days]
        return WEEKDAYS[weekday] in self.days


_ONLY = {
    "energy_kwh": ("power_kw", "min_power_kw", "interruptible"),
    "shape": ("step_minutes",),
    "shed_per_kwh": ("share_percent", "shed_kw", "shed_kwh"),
}
"""What makes each kind of load, and the columns that only it has."""
