"""SciPy's sparse matrices and Pyomo, imported without what nothing here makes use of: imported before SciPy.

Where Pyomo finds SciPy in the process, or sees it being imported later, it imports ``scipy.stats`` at once: a third of a
second and 40 MB. Here Pyomo's wish to see SciPy being imported is taken back. Its own ``scipy`` stays what it is, a
module that is imported when somebody asks it for something, statistics included. A Pyomo that somebody else has imported
is left alone.

SciPy's graphs import its linear algebra for one function, and its matrices the compiler of NumPy for none: a tenth of a
second.
"""

import sys

from ...data.inputs.stand_ins import stand_ins

if "pyomo" not in sys.modules:
    from pyomo.common.dependencies import DeferredImportCallbackFinder

    DeferredImportCallbackFinder._callbacks.pop("scipy", None)
    with stand_ins("numpy.f2py", "scipy.linalg", "scipy.sparse.linalg"):
        import scipy.sparse.csgraph  # noqa: F401
