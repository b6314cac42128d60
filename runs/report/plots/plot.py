"""Figures of runs on axes of matplotlib, for notebooks: ``otonari.plot``.

Each takes a run (as `otonari.clear` returns it, or its file) and axes, draws on them, or on those of a new figure, and
returns them. What is drawn are the values of the run's Datasets, in the colours of the pages. They need the extra
``plot``.

>>> import otonari
>>> otonari.plot.__all__
['dispatch', 'heat', 'prices', 'savings', 'storage', 'sweep', 'tasks', 'trades']
"""

from .devices import heat, tasks
from .energy import dispatch, storage, trades
from .money import prices, savings, sweep

__all__ = ["dispatch", "heat", "prices", "savings", "storage", "sweep", "tasks", "trades"]
