"""What a command imports, and that others find the libraries whole in a process that otonari has been in."""

import json
import subprocess
import sys

import pytest

from otonari.data.inputs.stand_ins import stand_ins

CLEAR = """
import sys
from otonari.cli import main
main(["clear", "six-kinds", "-q", "-o", "run.nc"], standalone_mode=False)
"""


def python(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


UNUSED = (
    "dask.array",
    "distributed",
    "numpy.f2py",
    "requests",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse.linalg",
    "scipy.special",
    "scipy.stats",
)


def test_a_clearing_imports_no_more_than_it_uses(tmp_path):
    script = CLEAR + f"print(*{set(UNUSED)} & set(sys.modules))"
    assert python(script, tmp_path) == []


def test_what_stood_in_is_whole_after_a_clearing(tmp_path):
    script = """
import numpy, pvlib, scipy
assert abs(pvlib.irradiance.bisect(lambda x: x - 1.0, 0.0, 3.0) - 1.0) < 1e-9
assert abs(pvlib.soiling.erf(1.0) - 0.8427) < 1e-4
assert pvlib.solarposition.so.brentq is scipy.optimize.brentq
assert pvlib.scaling.scipy.optimize.curve_fit is scipy.optimize.curve_fit
assert issubclass(pvlib.iotools.midc.requests.HTTPError, OSError)
assert isinstance(scipy.optimize.OptimizeResult(), dict)
import numpy.f2py, scipy.integrate, scipy.sparse.linalg, scipy.special
from scipy.sparse import csgraph, csr_array
laplacian = csgraph.laplacian(csr_array([[0.0, 1.0], [1.0, 0.0]]), form="lo")
assert isinstance(laplacian, scipy.sparse.linalg.LinearOperator)
print(*laplacian.shape, type(numpy.f2py).__name__, scipy.special.exp10(2.0))
"""
    assert python(CLEAR + script, tmp_path) == ["2", "2", "module", "100.0"]


def test_xarray_knows_dask_after_a_clearing(tmp_path):
    script = """
import dask.array as da, xarray as xr
array = xr.DataArray(da.arange(6, chunks=2), dims="x")
assert array.chunks == ((2, 2, 2),) and isinstance(array.data, da.Array)
chunked = xr.DataArray([1.0, 2.0], dims="x").chunk(x=1)
assert isinstance(chunked.data, da.Array) and (chunked + 1).chunks == ((1, 1),)
with xr.open_dataset("run.nc", group="results", chunks={}) as results:
    assert isinstance(results["grid_import"].data, da.Array)
    print(float(results["grid_import"].sum() - results["grid_import"].values.sum()))
from xarray.namedarray.pycompat import mod_version
assert mod_version("dask").major >= 2024
"""
    assert abs(float(*python(CLEAR + script, tmp_path))) < 1e-9


def test_a_stand_in_leaves_when_an_import_fails():
    sys.modules.pop("colorsys", None)

    def importing():
        with stand_ins("colorsys", "json"):
            import colorsys
            from colorsys import rgb_to_hsv

            functions.extend((colorsys, rgb_to_hsv))
            assert sys.modules["json"] is json
            assert sys.modules["colorsys"] is colorsys
            raise ImportError("no such library")

    functions = []
    with pytest.raises(ImportError, match="no such"):
        importing()
    assert "colorsys" not in sys.modules
    library, function = functions
    assert function(0.0, 0.0, 1.0) == library.rgb_to_hsv(0.0, 0.0, 1.0) == (2 / 3, 1.0, 1.0)


def test_pyomo_is_whole_after_a_clearing(tmp_path):
    script = """
import pyomo.environ as pyo
from pyomo.common.dependencies import scipy, scipy_available
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
model = pyo.ConcreteModel()
model.x = pyo.Var(bounds=(0, 4))
model.row = pyo.Constraint(expr=2 * model.x <= 6)
model.cost = pyo.Objective(expr=-model.x)
form = LinearStandardFormCompiler().write(model)
assert form.A.toarray().tolist() == [[2.0]]
assert pyo.SolverFactory("appsi_highs").solve(model).solver.termination_condition == "optimal"
assert scipy_available and scipy.stats.norm.cdf(0.0) == 0.5
import scipy as own
assert own is sys.modules["scipy"] and own.integrate.quad(lambda x: x, 0, 1)[0] == 0.5
print(pyo.value(model.x))
"""
    assert float(*python(CLEAR + script, tmp_path)) == pytest.approx(3.0)


def test_pvlib_is_whole_after_a_clearing(tmp_path):
    script = """
import pvlib
assert pvlib.solarposition is sys.modules["pvlib.solarposition"]
assert callable(pvlib.modelchain.ModelChain) and callable(pvlib.iotools.get_pvgis_tmy)
print(pvlib.irradiance.get_extra_radiation(100))
"""
    assert 1300 < float(*python(CLEAR + script, tmp_path)) < 1450


def test_somebody_elses_pyomo_is_left_alone(tmp_path):
    before = """
import sys
import pyomo.environ
import otonari
otonari.clear
import scipy
print("scipy.stats" in sys.modules)
"""
    assert python(before, tmp_path) == ["True"]
