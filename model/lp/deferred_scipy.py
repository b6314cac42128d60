"""Pyomo, imported without SciPy's statistics: imported before SciPy, this saves a third of a second and 40 MB.

Where Pyomo finds SciPy in the process, or sees it being imported later, it imports ``scipy.stats`` at once, of which
nothing here makes use. Here Pyomo's wish to see SciPy being imported is taken back. Its own ``scipy`` stays what it is,
a module that is imported when somebody asks it for something, statistics included. A Pyomo that somebody else has
imported is left alone.
"""

import sys

if "pyomo" not in sys.modules:
    from pyomo.common.dependencies import DeferredImportCallbackFinder

    DeferredImportCallbackFinder._callbacks.pop("scipy", None)
