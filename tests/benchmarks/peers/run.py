"""One framework, one size, in a process of its own: prints the measures as JSON."""

import importlib
import json
import resource
import sys
import time

from ..variants import base
from .case import of_inputs

MEASURES = ("build", "solve", "total", "memory", "objective")


def otonari(homes: int) -> dict[str, float]:
    """Clear from inputs to checked results, with baseline, trades and settlement: all of it counts as ``solve``."""
    import otonari

    otonari.clear(base(6))  # imports are not what is measured
    inputs = base(homes)
    begin = time.process_time()
    tree = otonari.clear(inputs)
    end = time.process_time()
    return {"build": 0.0, "solve": end - begin, "objective": float(tree.attrs["objective"])}


def highs(homes: int) -> dict[str, float]:
    """Solve the same linear program by HiGHS alone, cold; ``build`` is otonari's making of it."""
    from otonari.model.clearing import community_block
    from otonari.model.lp.matrix import compile_block

    from ..clearing import raw_solve

    inputs = base(homes)
    begin = time.process_time()
    program = compile_block(community_block(inputs))
    built = time.process_time()
    _, objective = raw_solve(program)
    return {"build": built - begin, "solve": time.process_time() - built, "objective": objective}


def framework(name: str, homes: int) -> dict[str, float]:
    """Build and solve the case in another framework: without baseline, trades, settlement or checks."""
    module = importlib.import_module(f".in_{name}", __package__)
    small, case = of_inputs(base(6)), of_inputs(base(homes))
    module.solve(module.build(small), small)
    begin = time.process_time()
    model = module.build(case)
    built = time.process_time()
    objective = module.solve(model, case)
    return {"build": built - begin, "solve": time.process_time() - built, "objective": objective}


def main(name: str, homes: int) -> None:
    """Print the measures: CPU seconds, and the most memory of the process [MB]."""
    own = {"otonari": otonari, "highs": highs}
    found = own[name](homes) if name in own else framework(name, homes)
    found["total"] = found["build"] + found["solve"]
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
