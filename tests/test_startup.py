"""What a command imports, and that others find the libraries whole in a process that otonari has been in."""

import subprocess
import sys

import pytest

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


def test_a_clearing_imports_no_statistics_and_no_cluster(tmp_path):
    script = CLEAR + "print(*{'scipy.stats', 'distributed'} & set(sys.modules))"
    assert python(script, tmp_path) == []


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
