"""Networks of other tools: read without them, to the voltages that they find, or refused with every reason."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.feeders.network import rows
from otonari.data.loading import feeder_template
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.grid import power_flow

STREET = Path(__file__).parent / "feeders" / "street.json"
VOLTAGES = {
    "grid": 1.01,
    "station": 1.031329135,
    "east": 1.030426208,
    "end": 1.029721991,
    "west": 1.027655724,
}
"""Of the same file in pandapower 3 (``runpp``, 1e-12 MVA): loads of any phase are there as on all phases alike."""
SIMBENCH = {
    "Node.csv": "id;type;vmSetp;vaSetp;vmR;vmMin;vmMax;substation;coordID;subnet;voltLvl\n"
    "MV;busbar;1.025;0;20;NULL;NULL;NULL;c;n;5\nLV;busbar;NULL;NULL;0.4;NULL;NULL;NULL;c;n;7\n"
    "A;node;NULL;NULL;0.4;NULL;NULL;NULL;c;n;7\nB;node;NULL;NULL;0.4;NULL;NULL;NULL;c;n;7\n",
    "ExternalNet.csv": "id;node;calc_type;dspf\nsource;MV;vavm;0\n",
    "Transformer.csv": "id;nodeHV;nodeLV;type;tappos\nT;MV;LV;0.4 MVA;0\n",
    "TransformerType.csv": "id;sR;vmHV;vmLV;va0;vmImp;pCu;pFe;tapNeutr\n0.4 MVA;0.4;20;0.4;150;6;6;1;0\n",
    "Line.csv": "id;nodeA;nodeB;type;length;loadingMax\nL1;LV;A;thin;0.1;100\nL2;A;B;thin;0.05;100\n",
    "LineType.csv": "id;r;x;b;iMax;type\nthin;0.2;0.08;0;270;cable\n",
    "Load.csv": "id;node;profile;pLoad;qLoad;sR\nhome;A;H0-A;0.005;0.002;0.0054\nfarm;B;L0;0.03;0.01;0.032\n",
    "RES.csv": "id;node;type;profile;calc_type;dspf;pRES;qRES;sR\nroof;A;PV;PV3;pq;1;0.004;0;0.0045\n",
}
OPENDSS = {
    "Lines.csv": "Title of the lines,,,,,,\nName,Bus1,Bus2,Phases,Length,Units,LineCode\n"
    "LINE1,1,2,ABC,1100,m,4c_70\nLINE2,2,3,ABC,100,ft,4c_70\n",
    "LineCodes.csv": "Name,nphases,R1,X1,R0,X0,C1,C0,Units\n4c_70,3,0.446,0.071,1.505,0.083,0,0,km\n",
    "Loads.csv": "a title\nanother\nName,numPhases,Bus,phases,kV,Model,Connection,kW,PF,Yearly\n"
    "LOAD1,1,3,B,0.23,1,wye,1,0.95,Shape_1\n",
    "Transformer.csv": "Name,phases,bus1,bus2,kV_pri,kV_sec,MVA,Conn_pri,Conn_sec,%XHL,% resistance\n"
    "TR1,3,SourceBus,1,11,0.416,0.8,Delta,Wye,4,0.4\n",
    "Source.csv": "[Source]\nVoltage=11 kV\npu=1.05\nISC3=3000 A\n",
}


def otonari(*arguments, code=0):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def written(tmp_path, tables, **changed):
    folder = tmp_path / "net"
    folder.mkdir()
    for name, text in {**tables, **{f"{n}.csv": t for n, t in changed.items()}}.items():
        (folder / name).write_text(text)
    return folder


def read(path):
    network = feeder_template.read(path)
    nodes, people = rows(network)
    return network, {n["node"]: n for n in nodes}, {p["participant"]: p for p in people}


def test_a_network_of_pandapower_has_its_voltages(tmp_path):
    """Parallel lines, an open switch in a ring, a closed one between buses, taps, zero sequences, loads by phase."""
    otonari("init", tmp_path / "s", "--feeder", STREET, "--name", "street")
    inputs = build_inputs(load_scenario(tmp_path / "s")).isel(time=slice(0, 1))
    network, nodes, people = read(STREET)
    names = inputs["node"].values.tolist()
    power = np.zeros((2, len(names), 3, 1))
    for load in network.loads:
        node = names.index({"rail": "station"}.get(load.bus, load.bus))
        power[:, node, :, 0] += np.array([[load.kw - load.pv_kw], [load.kvar]]) / 3
    found = power_flow.solved(inputs, *power)["voltage"].values[:, :, 0]
    assert names == ["grid", "station", "east", "west", "end"]
    np.testing.assert_allclose(found[1:], [[VOLTAGES[n]] * 3 for n in names[1:]], atol=1e-7)
    assert network.source == pytest.approx(
        1.01 / 0.975
    )  # a tap of -2.5 % above: as a higher voltage of the source
    assert nodes["east"]["r0_ohm"] == pytest.approx(0.832 * 0.12)
    assert nodes["west"]["rating_a"] == pytest.approx(484)
    assert {n: (p["node"], p["phase"], p.get("pv_kw")) for n, p in people.items()} == {
        "home": ("end", "abc", 4.0),
        "shop": ("west", "abc", None),
        "twin a": ("east", "a", None),
        "twin c": ("east", "c", None),
    }
    assert people["shop"]["kind"] == "business"
    assert people["twin a"]["power_factor"] == pytest.approx(2 / np.hypot(2, 0.5), abs=1e-6)


def test_a_network_of_simbench_by_hand(tmp_path):
    network, nodes, people = read(written(tmp_path, SIMBENCH))
    assert (network.root, network.source, network.voltage["A"]) == ("MV", 1.025, 400)
    station = nodes["LV"]
    assert (station["transformer_kva"], station["transformer_uk_percent"]) == (400, 6)
    assert station["transformer_ur_percent"] == pytest.approx(1.5)  # 6 kW of 400 kVA
    assert (nodes["B"]["parent"], nodes["B"]["r_ohm"], nodes["B"]["rating_a"]) == ("A", 0.2 * 0.05, 270)
    assert people["home"]["pv_kw"] == 4.5
    assert people["farm"]["annual_kwh"] == 60_000


def test_tables_named_after_opendss_by_hand(tmp_path):
    network, nodes, people = read(written(tmp_path, OPENDSS))
    assert (network.root, network.source) == ("SourceBus", 1.05)
    assert nodes["1"]["voltage_v"] == 416
    assert nodes["2"]["r_ohm"] == pytest.approx(0.446 * 1.1)
    assert nodes["3"]["x0_ohm"] == pytest.approx(0.083 * 0.03048)
    assert people["LOAD1"] == {
        "participant": "LOAD1",
        "node": "3",
        "phase": "b",
        "power_factor": 0.95,
        "persons": 3,
    }


@pytest.mark.parametrize("tables", [SIMBENCH, OPENDSS])
def test_a_scenario_on_a_folder_clears_as_it_is(tmp_path, tables):
    otonari("init", tmp_path / "s", "--feeder", written(tmp_path, tables))
    assert "no problems" in otonari("validate", tmp_path / "s").stdout


def test_what_is_no_tree_or_no_network_is_refused_with_every_reason(tmp_path):
    told = json.loads(STREET.read_text())
    switch = json.loads(told["_object"]["switch"]["_object"])
    switch["data"][1][switch["columns"].index("closed")] = True
    told["_object"]["switch"]["_object"] = json.dumps(switch)
    (tmp_path / "ring.json").write_text(json.dumps(told))
    (tmp_path / "none.json").write_text("[1, 2]")
    (tmp_path / "empty").mkdir()
    cases = {
        tmp_path / "ring.json": "closes a loop, want a radial network",
        tmp_path / "none.json": "a network as pandapower's to_json writes it",
        tmp_path / "empty": "Node.csv (SimBench) or Lines.csv (OpenDSS)",
        tmp_path / "nowhere.json": "no such file",
        written(
            tmp_path, SIMBENCH, Load="id;node;pLoad\nx;A;much\n"
        ): "Load.csv:2: pLoad: got 'much', want a number",
    }
    for path, want in cases.items():
        assert want in otonari("init", tmp_path / "s", "--feeder", path, code=2).stderr
        assert not (tmp_path / "s").exists()
    buses = json.loads(told["_object"]["bus"]["_object"])
    buses["columns"][buses["columns"].index("vn_kv")] = "volts"
    told["_object"]["bus"]["_object"] = json.dumps(buses)
    (tmp_path / "volts.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="a network as pandapower's to_json writes it"):
        read(tmp_path / "volts.json")
    shutil.rmtree(tmp_path / "net")
    astray = SIMBENCH["Line.csv"].replace("L2;A;B;", "L2;A;C;")
    with pytest.raises(InputError, match="edge=L2: bus: got 'C', want a bus of the network"):
        read(written(tmp_path, SIMBENCH, Line=astray))
    shutil.rmtree(tmp_path / "net")
    line = SIMBENCH["Line.csv"].replace("L2;A;B;thin", "L2;A;C;thick")
    with pytest.raises(InputError, match=r"Line.csv:3: type: got 'thick'"):
        read(written(tmp_path, SIMBENCH, Line=line))
