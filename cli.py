"""The command line: parse, call one function of ``runs`` or ``data``, print. Heavy modules load when used."""

import contextlib
import gc
import logging
import math
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from .runs.text import as_json, lines

DEFAULT = "higashi-fuji"
_FILE = click.Path(path_type=Path)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_NO_FOLDER = click.Path(path_type=Path, dir_okay=False)


class _Whole(click.IntRange):
    """A whole number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, as digits spell it."""
        return _in_digits(self, value, super().convert, param, ctx)


class _Number(click.FloatRange):
    """A finite number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, as digits spell it."""
        return _in_digits(self, value, super().convert, param, ctx)


def _in_digits(kind: Any, given: Any, convert: Callable[..., float], *where: Any) -> float:
    """Return the number if it is one of a magnitude of at most 2^32; Python reads 1_0 as 10, and nobody means it."""
    if isinstance(given, str) and "_" in given:
        kind.fail(f"got {given!r}, want a number", *where)
    number = convert(given, *where)
    if not abs(number) <= 2**32:
        want = "a magnitude of at most 2^32" if math.isfinite(number) else "a finite number"
        kind.fail(f"got {given!r}, want {want}", *where)
    return number


_PARTS = {"HiGHS": "highspy", "Pyomo": "pyomo", "xarray": "xarray"}
"""What the version names beside the program itself: name and package."""
_POSITIVE = _Number(min=0, min_open=True)
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_directory = click.argument("directory", type=_FOLDER)
_key = click.option("--key", type=_FILE, help="File with the ledger's private key, if it is signed.")
_scenario = click.argument("scenario", default=DEFAULT)
_set = click.option(
    "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change the scenario."
)
_strict = click.option(
    "--strict", is_flag=True, help="What is hardly possible in readings is a problem, not a note."
)
_held = click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, help="One that you hold.")
_pins = click.option("--key", "keys", multiple=True, metavar="VKEY", help="Public key, from elsewhere.")


def _say(text: str, err: bool = False) -> None:
    """Print text, on stderr or stdout: the one way to the terminal, on which nothing steers it or deceives the eye."""
    _Stages.erase()
    click.echo(lines(text), err=err)


class _Shown(logging.Formatter):
    """A log whose lines are as harmless as all others."""

    def format(self, record: logging.LogRecord) -> str:
        return lines(super().format(record))


class _Reporting(click.Group):
    """A group that turns failures into one message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _open_streams()
            return super().invoke(ctx)
        except click.ClickException as error:
            vars(error)["message"] = lines(error.message)  # typed as final, and of many classes
            raise
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            _say("otonari: interrupted", err=True)
            ctx.exit(130)
        except Exception as error:
            ctx.exit(_report(error))


def _open_streams() -> None:
    """Open a stream that the caller closed to nowhere, and escape what a terminal's encoding cannot spell."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _report(error: Exception) -> int:
    """Print what went wrong and return its exit code."""
    code: int = getattr(error, "exit_code", 2 if isinstance(error, OSError) else 1)  # 1 is a bug of ours
    if code == 1:
        _say("".join(traceback.format_exception(error)), err=True)
        _say("otonari: this is a bug in otonari, not in your input; please report it", err=True)
        return code
    if problems := getattr(error, "problems", None):
        _say("\n".join(map(str, problems)), err=True)
        _say(f"{_problems(len(problems))}, nothing was done", err=True)
    elif causes := getattr(error, "causes", None):
        more = [f"  and {len(causes) - 10} more"] if len(causes) > 10 else []
        _say("\n".join(["otonari: no solution:", *(f"  {c}" for c in causes[:10]), *more]), err=True)
    else:
        kind = getattr(error, "kind", "")  # of a ledger's failure
        _say(f"otonari: {kind}{': ' * bool(kind)}{error}", err=True)
    if code == 5:
        _say("otonari: nothing was stored; see --ledger DIR and --no-ledger", err=True)
    return code


class _Stages:
    """What tells the user about the stages of a command, and how much is left of one that takes more than seconds."""

    _shown = 0  # letters of the line about what is left, of whoever drew it

    def __init__(self, say: Callable[[str], None], watched: bool):
        self._say, self._watched = say, watched
        self._remaining: Any = None
        self._drawn = 0.0

    def __call__(self, text: str) -> None:
        """Tell of a stage that begins."""
        self.erase()
        self._say(text)
        self._remaining = None

    def progress(self, done: int, known: int) -> None:
        """Draw on a terminal what is left of the stage, where so much is done of what is known of it."""
        if not self._watched:
            return
        from .runs.remaining import Remaining

        now = time.monotonic()
        self._remaining = self._remaining or Remaining(now)
        text = self._remaining.after(done, known, now)
        if not text:
            self.erase()
        elif now - self._drawn > 0.2:
            self.erase()
            click.secho(f"  {text}", nl=False, err=True, dim=True)
            _Stages._shown, self._drawn = len(text) + 2, now

    @staticmethod
    def erase() -> None:
        """Take the line about what is left off the terminal, before anything else is written there."""
        if _Stages._shown:
            click.echo(f"\r{' ' * _Stages._shown}\r", nl=False, err=True)
            _Stages._shown = 0


def _stage(verbose: bool, quiet: bool) -> _Stages:
    """Return what tells the user about the stages of a command: on a terminal, or in the log with -v."""
    if verbose:
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Shown(form))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        return _Stages(logging.getLogger("otonari").info, watched=False)
    if not _watched(verbose, quiet):
        return _Stages(lambda text: None, watched=False)
    return _Stages(lambda text: click.secho(f"{lines(text)} ...", err=True, dim=True), watched=True)


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[Callable[[int], bool]]:
    """Give what tells whether Ctrl-C was pressed; pressed again, it interrupts at once."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda done: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress(shown: bool, **look: Any) -> Iterator[tuple[Any, Callable[[int, int], None]]]:
    """Give a bar, and what draws on it how much is done, of how much."""
    with click.progressbar(length=1, file=sys.stderr, hidden=not shown, **look) as bar:

        def progress(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield bar, progress


def _print_json(value: Any, indent: int | None = 1) -> None:
    _Stages.erase()
    click.echo(as_json(value, indent))


def _print(answer: Any, as_json: bool, quiet: bool) -> None:
    """Print the facts of an answer for a machine, or its text; notes and warnings go to stderr."""
    if as_json:
        _print_json(answer.facts)
        _print_lines(answer.beside)
    elif not quiet:
        _print_lines(answer.notes)
        _say(answer.text)
    if not quiet:
        _print_lines(answer.warnings)


def _print_lines(lines: Iterable[str]) -> None:
    """Print lines on stderr."""
    for line in lines:
        _say(line, err=True)


def _watched(verbose: bool, quiet: bool) -> bool:
    """Tell whether somebody looks at a terminal who wants to see progress there."""
    return sys.stderr.isatty() and not quiet and not verbose


def _problems(count: int) -> str:
    return f"otonari: {count} problem{'s' * (count > 1)}"


def _together(*parameters: Callable[..., Any]) -> Callable[..., Any]:
    """Return one decorator that adds several parameters, shown in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for parameter in reversed(parameters):
            command = parameter(command)
        return command

    return add


common = _together(
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is done."),
    click.option("--json", "as_json", is_flag=True, help="Machine-readable on stdout."),
)
"""The options that every command has."""
_ledger_options = _together(
    click.option("--ledger", "directory", type=_FOLDER, help="Its ledger."),
    click.option("--no-ledger", is_flag=True, help="Commit nothing."),
    _key,
)
"""The options of a command that stores a run: its ledger."""


def _require_suffix(path: Path | None, *endings: str) -> None:
    if path and path.suffix not in endings:
        wanted = " or ".join(filter(None, endings))
        raise click.UsageError(f"--output: got {path}, want a name that ends in {wanted}")


def _require_ledger(options: dict[str, Any], none: bool) -> None:
    if none and (options["directory"] or options["key"]):
        raise click.UsageError("--ledger, --key: this run commits nothing")


def _require_regional(market: str | None, output: Path | None, **options: Any) -> None:
    if options["scheduler"] and options["workers"]:
        raise click.UsageError("--workers: the scheduler has workers of its own")
    if market not in (None, "p2p"):
        raise click.UsageError(f"--market: got {market}; only the p2p market is cleared by regions")
    _require_suffix(output, ".zarr")


def _require_day_ahead(market: str | None, output: Path | None, **options: Any) -> None:
    if market not in (None, "p2p"):
        raise click.UsageError(f"--market: got {market}; only the p2p market is contracted a day ahead")
    asked = ("rule", "no_ledger", "directory", "key", "relax", "workers", "scheduler")
    if others := [name for name in asked if options[name]]:
        flags = {"directory": "--ledger", "no_ledger": "--no-ledger"}
        told = ", ".join(flags.get(name, f"--{name}") for name in others)
        raise click.UsageError(
            f"{told}: not with --scenarios, whose prices are marginal and which commits nothing"
        )
    _require_suffix(output, ".nc")


def _futures(plan: str, scenarios: int | None, mode: str) -> int:
    """Return for how many futures a simulation plans."""
    if plan == "expected" and scenarios is not None:
        raise click.UsageError("--scenarios: only --plan stochastic has any")
    if plan == "stochastic" and mode != "co-optimized":
        raise click.UsageError("--plan: agents plan for what they expect; want --mode co-optimized")
    return (scenarios or 5) if plan == "stochastic" else 1


def _of_rule(rule: str | None) -> tuple[str, ...]:
    """Return the overrides that state a rule of prices among peers, as ``fixed=25``."""
    if rule is None:
        return ()
    name, _, number = rule.partition("=")
    numbers = {"price_per_kwh": name == "fixed", "compensation": name == "supply-demand-ratio"}
    more = [f"settlement.{key}={(its and number) or 'null'}" for key, its in numbers.items()]
    unasked = [f"settlement.{name}={number}"] if number and not any(numbers.values()) else []
    return f"settlement.rule={name}", *more, *unasked


def _version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """Print the versions of the program, of its solver and of what a result may hang on."""
    if asked:
        from .runs.version import version

        parts = (f"{name} {version(package)}" for name, package in _PARTS.items())
        _say(f"otonari {version()} ({', '.join(parts)}, Python {platform.python_version()})")
        context.exit()


@click.group(cls=_Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show it."
)
def main() -> None:
    """Clear and plan local peer-to-peer electricity markets."""
    gc.set_threshold(
        50_000, 20, 20
    )  # a command is short: imports and arrays leave next to no cycles to be collected


@main.command()
@_scenario
@click.option(
    "--market", type=click.Choice(["p2p", "grid-only", "unmanaged"]), help="Market to clear.  [default: p2p]"
)
@_set
@click.option("-o", "--output", type=_FILE, help="Run file (.nc), or store (.zarr) of a clearing by regions.")
@_ledger_options
@click.option(
    "--rule",
    metavar="RULE",
    help="Prices among peers: marginal, mid-market, supply-demand-ratio[=COMPENSATION] or fixed=PRICE.",
)
@click.option("--time-limit", type=_POSITIVE, help="Seconds for each solve.")
@click.option("--relax", is_flag=True, help="Ignore minimum charge powers.")
@click.option("--workers", type=_Whole(min=1), help="Clear by regions, in so many processes here.")
@click.option("--scheduler", metavar="ADDRESS", help="Clear by regions, on a Dask cluster.")
@click.option(
    "--scenarios",
    type=_Whole(1, 200),
    help="Contract a day ahead for so many futures: those of uncertainty: in the scenario, or forecasts.",
)
@click.option("--seed", type=_Whole(0, 2**32 - 1), help="Of the futures that are forecast.  [default: 0]")
@_strict
@common
def clear(
    scenario: str,
    market: str,
    rule: str | None,
    scenarios: int | None,
    seed: int | None,
    no_ledger: bool,
    strict: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Clear a scenario: a bundled name, a file, a folder, or a run file that is cleared again.

    Without SCENARIO the bundled higashi-fuji is cleared; the days of a simulated run are cleared as one.
    The run is stored as runs-out/SCENARIO/MARKET.nc, a what-if as MARKET-HASH.nc; the blocks of a p2p market go to a
    ledger beside it.

    With --workers or --scheduler a community larger than memory is cleared by regions of its fee tree, and stored in
    chunks as runs-out/SCENARIO/p2p.zarr; what is done stays if it is stopped, and the same command goes on from there.

    With --scenarios peers contract before it is known which of several futures comes, and each future is dispatched;
    what is decided and what it costs not to know is stored as runs-out/SCENARIO/day-ahead.nc. Nothing is committed.
    """
    if scenarios is None and seed is not None:
        raise click.UsageError("--seed: only --scenarios has one")
    options["overrides"] += ("readings=strict",) if strict else ()
    if scenarios is not None:
        _require_day_ahead(market, rule=rule, no_ledger=no_ledger, **options)
        names = ("overrides", "output", "time_limit")
        given = {name: options[name] for name in names}
        given["stage"] = stages = _stage(verbose, quiet)
        given["progress"] = stages.progress
        from .runs.commands import clear

        _print(clear.day_ahead(scenario, scenarios, seed or 0, **given), as_json, quiet)
        return
    _require_ledger(options, no_ledger or market in ("grid-only", "unmanaged"))
    options["overrides"] += _of_rule(rule)
    by_regions = bool(options["workers"] or options["scheduler"])
    if by_regions:
        _require_regional(market, **options)
    else:
        _require_suffix(options["output"], ".nc")
    stage = _stage(verbose, quiet or by_regions)
    with _progress(by_regions and _watched(verbose, quiet), show_pos=True) as (_, drawn):
        from .runs.commands import clear

        progress = drawn if by_regions else stage.progress
        answer = clear.clear(
            scenario, market, record=not no_ledger, stage=stage, progress=progress, **options
        )
    _print(answer, as_json, quiet)


@main.command()
@_scenario
@_set
@_strict
@common
def validate(
    scenario: str, overrides: tuple[str, ...], strict: bool, as_json: bool, verbose: bool, quiet: bool
) -> None:
    """List every problem of a scenario, with file, row and field. Exit code 2 if there is one.

    If there is none, what was read is shown: energy, peak and mean of each participant, and the prices.
    """
    _stage(verbose, quiet)("reading the scenario")
    from .runs.commands import inspect

    answer = inspect.validate(scenario, overrides, strict)
    if not answer.failed:
        _print(answer, as_json, quiet)
        return
    if as_json:
        _print_json(answer.facts)
    else:
        _print_lines(answer.failed)
    _say(_problems(len(answer.failed)), err=True)
    raise click.exceptions.Exit(2)


@main.command()
@click.option("--browser/--no-browser", default=None, help="Open the page.  [default: on a terminal]")
@common
def demo(browser: bool | None, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Clear the bundled day and show its page: figures of energy, prices, trades and bills, in one file.

    Said is who saves what, and how to ask why. Nothing is committed to a ledger.
    """
    from .runs.commands import report

    page = Path("runs-out", "demo", "p2p.html")
    _print(report.demo(DEFAULT, page, _stage(verbose, quiet)), as_json, quiet)
    if browser or (browser is None and not quiet and sys.stdout.isatty()):
        click.launch(page.resolve().as_uri())


@main.command()
@_directory
@click.option("--template", default=DEFAULT, show_default=True, help="Bundled scenario, town or sharing.")
@click.option("--homes", type=_Whole(1, 999_999), help="Homes of a town.  [default: 1000]")
@click.option("--seed", type=_Whole(0, 2**32 - 1), help="Of a town, or of readings.  [default: 1]")
@click.option(
    "--name", help="Of the scenario: its runs go to runs-out/NAME.  [default: that of the template]"
)
@click.option(
    "--feeder",
    type=click.Path(path_type=Path),
    help="A network: JSON of pandapower, or a folder of CSV tables of SimBench or OpenDSS.",
)
@click.option("--settles", type=_FILE, metavar="RUN.nc", help="A stored run whose days are to be settled.")
@common
def init(directory: Path, template: str, as_json: bool, verbose: bool, quiet: bool, **of_town: Any) -> None:
    """Write a commented scenario that clears as it is. Nothing is ever overwritten.

    The template town is made on the spot: homes of six kinds, businesses and PHEVs on a tree of fees. The template
    sharing is a settlement: twelve members, a PV plant in common, and a month of their readings. With --feeder the
    scenario stands on the network of a file: a participant for each load, on its phases. With --settles it is a
    settlement of a stored run by the key that realises it, with what its meters would show in place of readings.
    """
    if of_town["settles"] and (of_town["feeder"] or template != DEFAULT):
        raise click.UsageError("--settles: makes a settlement of its own, not of a template")
    if of_town["feeder"] and template != DEFAULT:
        raise click.UsageError("--feeder: makes a scenario of its own, not of a template")
    if template != "town" and of_town["homes"] is not None:
        raise click.UsageError("--homes: only the template town has it")
    if template not in ("town", "sharing") and of_town["seed"] is not None:
        raise click.UsageError("--seed: only the templates town and sharing have it")
    _stage(verbose, quiet)("copying the template")
    from .runs.commands import init

    _print(init.init(directory, template, **of_town), as_json, quiet)


@main.command()
@click.argument("file", type=_FILE)
@click.option("--time-zone", help="Of times that neither carry an offset nor belong to a known export.")
@click.option(
    "-o", "--output", type=_FOLDER, help="New folder for a scenario of the first day, with the file."
)
@common
def inspect(file: Path, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Say what a file of readings, prices or weather holds, and how a scenario names it.

    Form, step, period, energy per day and doubts are printed, and the YAML to paste.
    """
    _stage(verbose, quiet)("reading the file")
    from .runs.commands import inspect

    _print(inspect.inspect(file, **options), as_json, quiet)


@main.command()
@common
def formats(as_json: bool, verbose: bool, quiet: bool) -> None:
    """List the exports of providers that `preset: NAME` reads as they are."""
    _stage(verbose, quiet)("listing the presets")
    from .runs.commands import inspect

    _print(inspect.formats(), as_json, quiet)


@main.command()
@click.option("--settlement", is_flag=True, help="Of settlement files.  [default: of scenarios]")
def schema(settlement: bool) -> None:
    """Print the JSON schema of scenario or settlement files, for editors."""
    if settlement:
        from .data.schema.settlement import json_schema
    else:
        from .data.loading.scenario import json_schema
    _print_json(json_schema())


@main.command()
@_scenario
@click.option(
    "--market",
    type=click.Choice(["p2p", "grid-only"]),
    default="p2p",
    show_default=True,
    help="Market to plan for.",
)
@_set
@click.option("-o", "--output", type=_FILE, help="File of the plan (.nc).")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    default=["as-billed", "mid-market", "supply-demand-ratio", "equal"],
    show_default=True,
    metavar="RULE",
    help="Who gains if all pay by this rule, as of otonari prices. Several stand side by side.",
)
@click.option("--whole", is_flag=True, help="Operate what is built on every day of the horizon, too.")
@click.option("--days", type=_FOLDER, help="Folder that gets a run file of each day, for otonari report.")
@click.option("--time-limit", type=_POSITIVE, help="Seconds for each solve.")
@_strict
@common
def plan(scenario: str, strict: bool, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Plan how much to build: sizes of PV and batteries, who pays, who gains.

    What may be built stands under investment: in the scenario, what money costs under finance:. The figures are those
    of a year; they are stored as runs-out/SCENARIO/plan.nc.
    """
    _require_suffix(options["output"], ".nc")
    options["overrides"] += ("readings=strict",) if strict else ()
    from .runs.commands import plan

    stage = _stage(verbose, quiet)
    _print(plan.plan(scenario, stage=stage, progress=stage.progress, **options), as_json, quiet)


@main.command()
@click.argument("settlement", type=_FILE, metavar="SETTLEMENT.yaml")
@_set
@click.option("--month", "months", multiple=True, metavar="YYYY-MM", help="Only this month of the period.")
@click.option("-o", "--output", type=_FOLDER, help="Folder of the run files.  [default: runs-out/NAME]")
@_ledger_options
@click.option(
    "--correct", is_flag=True, help="Reverse what is committed of days that differ, and commit anew."
)
@common
def settle(
    settlement: Path, no_ledger: bool, as_json: bool, verbose: bool, quiet: bool, **options: Any
) -> None:
    """Settle metered energy that a community shares, month by month: accounts, ledger and run files.

    Readings of metering points are shared by the rule of the settlement file, or a folder with one; each month is
    stored as settlement-YYYY-MM.nc. A month that is stored already is not settled again, and one that was committed with
    another result is a conflict, unless --correct is given.
    """
    _require_ledger(options, no_ledger)
    stage = _stage(verbose, quiet)
    with _progress(_watched(verbose, quiet) and len(options["months"]) != 1) as (_, progress):
        from .runs.commands import settle

        answer = settle.settle(settlement, record=not no_ledger, stage=stage, progress=progress, **options)
    _print(answer, as_json, quiet)


_band = click.option(
    "--band",
    type=click.Choice(["EN 50160", "GB", "JP"]),
    default="EN 50160",
    show_default=True,
    help="Band that voltages are held against.",
)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=_FILE, metavar="RUN...")
@_band
@click.option(
    "--against",
    multiple=True,
    type=click.Choice(["p2p", "grid-only", "unmanaged"]),
    help="Beside what this market would make of the first run's inputs.",
)
@click.option("--balanced", is_flag=True, help="Count every load in equal parts on the phases.")
@click.option("--strict", is_flag=True, help="Exit with code 3 where a limit is broken.")
@click.option(
    "-o", "--output", type=_NO_FOLDER, help="Run file with the power flow of one run.  [default: RUN itself]"
)
@common
def grid(
    runs: tuple[Path, ...], strict: bool, as_json: bool, verbose: bool, quiet: bool, **options: Any
) -> None:
    """Ask whether the feeder holds: the power flow of every slot of a run, voltages, loadings and losses.

    The scenario says what the wires are: a section grid, and cables, impedances or transformers of its nodes. The power
    flow is stored in the run file, as the group network, or beside a store of regions. Several runs, and other markets
    of the same days (--against), are told side by side. Needs the extra grid.
    """
    _require_suffix(options["output"], ".nc")
    if options["output"] and len(runs) > 1:
        raise click.UsageError("--output: only with one RUN")
    _stage(verbose, quiet)("power flow")
    from .runs.commands import grid

    answer, broken = grid.grid(runs, **options)
    _print(answer, as_json, quiet)
    if broken and strict:
        raise click.exceptions.Exit(3)


@main.command()
@click.argument("scenario", metavar="SCENARIO|RUN.nc")
@click.option(
    "--shares",
    type=click.Choice(["equal", "connection", "max-min"]),
    default="max-min",
    show_default=True,
    help="The same kW for all, the same part of their connections, or more for those whom no full limit concerns.",
)
@_band
@click.option(
    "--demand/--no-demand",
    default=True,
    show_default=True,
    help="Let each draw at least what its demand draws in the scenario.",
)
@click.option(
    "--able/--all",
    default=True,
    show_default=True,
    help="Give nobody more than its demand, PV and devices could draw or give; or share among all alike.",
)
@_set
@click.option(
    "-o", "--output", type=_NO_FOLDER, help="CSV or NetCDF file.  [default: runs-out/SCENARIO/envelopes.csv]"
)
@common
def envelopes(
    scenario: str, output: Path | None, as_json: bool, verbose: bool, quiet: bool, **options: Any
) -> None:
    """Compute operating envelopes: the most that each connection may draw and give, slot by slot.

    Whatever the others do within theirs, voltages and ratings of the feeder hold: shares of the linear power flow at the
    worst corner of every limit, verified and corrected by the full one. Needs the extra grid. A scenario names the file
    as series.import_limit and series.export_limit.
    """
    _require_suffix(output, ".csv", ".nc")
    stage = _stage(verbose, quiet)
    from .runs.commands import grid

    _print(grid.envelopes(scenario, output, stage=stage, **options), as_json, quiet)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=_FILE, metavar="RUN.nc...")
@click.option("-o", "--output", type=_NO_FOLDER, help="CSV or NetCDF file.")
@common
def compare(runs: tuple[Path, ...], output: Path | None, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Compare stored runs: totals and sums per kind, with differences to the first; or stored plans."""
    _require_suffix(output, ".csv", ".nc")
    if output and output.exists() and any(run.exists() and run.samefile(output) for run in runs):
        raise click.UsageError(f"--output: got {output}, which is one of the runs, want another name")
    _stage(verbose, quiet)("reading the runs")
    from .runs.commands import report

    _print(report.compare(runs, output), as_json, quiet)


@main.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN.nc|FOLDER")
@click.argument("participants", nargs=-1, metavar="[PARTICIPANT]...")
@click.option("--bills", "everybody", is_flag=True, help="A bill for every participant.")
@click.option(
    "--month", default="", metavar="YYYY-MM", help="Bills of a local month.  [default: all of the run]"
)
@click.option(
    "--after",
    type=_FOLDER,
    help="Of the bills before these: what was corrected since is a line of the new ones.",
)
@click.option("--anonymous", is_flag=True, help="Do not name on bills of whom energy was bought.")
@click.option(
    "--language",
    default="",
    metavar="LANGUAGE",
    help="Of bills in HTML: en, ja, or a .json file of phrases.  [default: en, where the output ends in .html]",
)
@click.option(
    "-o",
    "--output",
    type=_FILE,
    help="File: .html, .md or .txt, of bills .csv too; or folder of bills.  [default: stdout]",
)
@click.option(
    "--time",
    help="Local time of the slot whose orders or trades a page shows: YYYY-MM-DD HH:MM, or HH:MM of the first day."
    "  [default: the slot with the most trade]",
)
@click.option(
    "--ledger", "directory", type=_FOLDER, help="Of the receipts of bills.  [default: beside the run file]"
)
@common
def report(as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Report a stored run on one page, with figures where the output ends in .html, or bill its participants.

    A bill is a page for a member, with a receipt in a file beside it; `otonari ledger check` takes it. Given a folder,
    bills are of all the runs of a market in it.
    """
    run, everybody, output = options.pop("run"), options.pop("everybody"), options["output"]
    time = options.pop("time")
    billing = everybody or bool(options["participants"])
    several = everybody or len(set(options["participants"])) > 1
    if everybody and options["participants"]:
        raise click.UsageError("--bills: bills all participants, so name none")
    for name in ("directory", "month", "after", "anonymous", "language"):
        if options[name] and not billing:
            flag = "ledger" if name == "directory" else name
            raise click.UsageError(f"--{flag}: only bills need it; name participants, or give --bills")
    if options["language"] and not (output and (several or output.is_dir() or output.suffix == ".html")):
        raise click.UsageError("--language: bills in a language are HTML: give --output FILE.html or FOLDER")
    if several and not (output or as_json):
        raise click.UsageError("several bills: give --output FOLDER")
    if run.is_dir() and run.suffix != ".zarr" and not billing:
        raise click.UsageError(f"got the folder {run}, want a run, or whom to bill of the runs in it")
    if not several and not (output and output.is_dir()):
        _require_suffix(output, "", ".html", ".md", ".txt", *([".csv"] if billing else []))
    if time is not None and (billing or output is None or output.suffix != ".html"):
        raise click.UsageError("--time: only the page of a run shows a single slot: give --output FILE.html")
    if output and output.exists() and run.is_file() and run.samefile(output):
        raise click.UsageError(f"--output: got {output}, which is the run, want another name")
    _stage(verbose, quiet)("reading the run")
    from .runs.commands import report

    answer = report.bills(run, **options) if billing else report.report(run, output, time)
    _print(answer, as_json, quiet)


@main.command()
@click.argument("run", type=_FILE, metavar="RUN.nc")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    default=["as-billed", "mid-market", "equal"],
    show_default=True,
    metavar="RULE",
    help="as-billed, marginal, mid-market, supply-demand-ratio[=COMPENSATION], fixed=PRICE, pay-as-bid, or a split of "
    "what all save: equal, proportional, shapley, least-core, nucleolus. Several stand side by side.",
)
@click.option(
    "--samples",
    type=_Whole(2, 10**6),
    default=200,
    show_default=True,
    help="Orders of members drawn for shapley, of more than 12 members.",
)
@click.option("--seed", type=_Whole(0, 2**32 - 1), default=1, show_default=True, help="Of these orders.")
@click.option("-o", "--output", type=_NO_FOLDER, help="CSV file.")
@common
def prices(as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Say what every member pays for a stored run under several rules, and how fair each is.

    The energies of the run stay as they are. Of each rule: payments and gains against nobody trading, what they add up
    to, who is worse off, and how equal the gains are.
    """
    _require_suffix(options["output"], ".csv")
    _stage(verbose, quiet)("reading the run")
    with _progress(_watched(verbose, quiet), show_pos=True) as (_, progress):
        from .runs.commands import prices

        answer = prices.prices(progress=progress, **options)
    _print(answer, as_json, quiet)


@main.command()
@click.argument("run", type=_FILE, metavar="RUN.nc")
@click.option("-o", "--output", type=_NO_FOLDER, required=True, help="CSV file.")
@click.option("--decimals", type=_Whole(1, 9), default=6, show_default=True, help="Of a coefficient.")
@click.option(
    "--exhaustive",
    is_flag=True,
    help="Give all to members, as laws want it: what nobody bought to those who cannot use it.",
)
@common
def coefficients(as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Write the key by which a network operator realises a stored run: coefficients per slot, producer and member.

    Coefficients of a producer sum to one in every slot, with the share of nobody. Meters that show what the run plans
    are allocated by them, to the watt-hour, what was traded.
    """
    _require_suffix(options["output"], ".csv")
    _stage(verbose, quiet)("reading the run")
    from .runs.commands import settle

    _print(settle.coefficients(**options), as_json, quiet)


@main.command()
@click.argument("run", type=_FILE, metavar="RUN.nc")
@click.option("--participant", metavar="NAME", help="Whose.  [default: whoever saves most]")
@click.option(
    "--time", metavar="TIME", help="Local, YYYY-MM-DD HH:MM or HH:MM.  [default: when it trades most]"
)
@click.option("--with", "named", multiple=True, metavar="NAME", help="With whom it did not trade.")
@common
def explain(as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Explain a stored run: why this price, why no trade with somebody, what limits and stores are worth.

    All of it follows from the data and the marginal values of the run; each sentence has its figures.
    """
    _stage(verbose, quiet)("reading the run")
    from .runs.commands import report

    _print(report.explain(**options), as_json, quiet)


@main.group()
def ledger() -> None:
    """Keep, check and show ledgers. A ledger is tamper-evident, not tamper-proof; see runs/LEDGER.md."""


def _ledger(name: str, summary: str, *parameters: Callable[..., Any]) -> None:
    """Make a ledger command of the function of that name in ``runs.commands.ledger``, which gives an answer."""

    def call(as_json: bool, verbose: bool, quiet: bool, **arguments: Any) -> None:
        _stage(verbose, quiet)(f"ledger {name}")
        from .runs.commands import ledger

        _print(getattr(ledger, name)(**arguments), as_json, quiet)

    ledger.command(name, help=summary)(common(_together(*parameters)(call)))


_ledger(
    "keygen",
    "Make an Ed25519 key. NAME is the market's id, or a name for a witness.",
    click.argument("name"),
    click.option("-o", "--output", type=_FILE, required=True, help="New file for the private key."),
    click.option("--witness", is_flag=True, help="A key to cosign the checkpoints of others."),
)
_ledger(
    "init",
    "Begin a ledger: its first block pins market, units and public key.",
    _directory,
    click.option("--market", required=True, help="The market's id: market_id in its scenario."),
    click.option("--currency", required=True, help="Of its money, by ISO 4217: JPY, EUR ..."),
    _key,
)
_ledger(
    "verify",
    "Check every block and checkpoint of a ledger, against what you hold from elsewhere.",
    _directory,
    _held,
    _pins,
    click.option("--private", is_flag=True, help="Check the private leaves too."),
)
_ledger(
    "publish",
    "Copy a ledger's public files to a folder, unless a total in them is the sum over too few accounts.",
    _directory,
    click.option("-o", "--output", type=_FOLDER, required=True, help="For the public."),
    click.option(
        "--min-accounts",
        type=_Whole(min=1),
        default=3,
        show_default=True,
        help="Accounts that are not zero behind each total of each slot, at least.",
    ),
)
_ledger(
    "receipt",
    "Make receipts that a household can check without the ledger.",
    _directory,
    click.option("--participant", help="Its label in the scenario.  [default: all, into --output]"),
    click.option("--since", type=click.DateTime(_TIMES), help="First slot, UTC."),
    click.option("--until", type=click.DateTime(_TIMES), help="Slots before this, UTC."),
    click.option("-o", "--output", type=_FILE, help="File, or directory for all.  [default: stdout]"),
)
_ledger(
    "check",
    "Check a receipt or a bill offline, against the ledger's public key or a checkpoint that you hold.",
    click.argument("path", type=_FILE, metavar="RECEIPT"),
    _held,
    _pins,
)
_ledger(
    "correct",
    "Reverse what is committed of a run's slots, and commit the run in its place.",
    _directory,
    click.argument("run", type=_FILE, metavar="RUN.nc"),
    _key,
)
_ledger(
    "cosign",
    "Sign the checkpoint as a witness, after checking the ledger and what you saw of it before.",
    _directory,
    click.option("--key", type=_FILE, required=True, help="Private key of a witness."),
    _held,
    click.option("--log-key", "keys", multiple=True, metavar="VKEY", help="The ledger's public key."),
    click.option("--first", is_flag=True, help="You have not seen anything of this ledger before."),
    click.option("-o", "--output", type=_FILE, help="Put it here and leave the ledger alone."),
)
_ledger(
    "rotate",
    "Hand a ledger on to another key, which the present one endorses.",
    _directory,
    click.option("--key", type=_FILE, required=True, help="The present private key."),
    click.option("--successor", type=_FILE, required=True, help="The one that signs from now on."),
)
_ledger(
    "repair",
    "Mend what a crash left behind. Nothing is deleted.",
    _directory,
    _key,
    click.option("--head", metavar="HASH", help="Of the last block: you looked at it, and vouch for all."),
)


@ledger.command()
@_directory
@common
def show(directory: Path, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Print the blocks of a ledger after checking them: a table, or with --json one block a line."""
    _stage(verbose, quiet)(f"reading {directory}")
    from .runs.commands import ledger

    if as_json:
        for block in ledger.blocks(directory):
            _print_json(block, indent=None)
    elif not quiet:
        for table in ledger.show(directory):
            _say(table)


@main.group()
def exchange() -> None:
    """Match orders of half-hour products under network fees."""


@exchange.command()
@click.argument("orders", type=_FILE, metavar="ORDERS.csv")
@click.option("-o", "--output", type=_NO_FOLDER, help="File of trades (.csv).")
@click.option("--scenario", help="Participants, fee network, limits, tariffs.  [default: none, no fees]")
@_set
@click.option("--currency", help="Of the prices, without a scenario.  [default: the file's column currency]")
@click.option(
    "--mechanism",
    type=click.Choice(["continuous", "uniform", "pay-as-bid"]),
    help="Session, or a call auction per slot.  [default: the scenario's, else continuous]",
)
@click.option(
    "--opening-hours",
    type=_Number(min=0),
    help="A product opens so long before its slot.  [default: the scenario's, else 24]",
)
@click.option(
    "--gate-minutes",
    type=_Number(min=0),
    help="It closes so long before its slot ends.  [default: the scenario's, else 10]",
)
@click.option(
    "--price-band", "band", type=(_Number(), _Number()), metavar="LOW HIGH", help="Instead of the scenario's."
)
@common
def match(orders: Path, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Match anybody's orders; say of every refused one why.

    Trades go to the file of --output, refused orders to NAME.refused.csv beside it.
    """
    output, band = options["output"], options["band"]
    _require_suffix(output, ".csv")
    if options["overrides"] and not options["scenario"]:
        raise click.UsageError("--set: got a change, but no --scenario to change")
    if options["currency"] and options["scenario"]:
        raise click.UsageError("--currency: got it beside --scenario, which has its own")
    if band and not band[0] <= band[1]:
        raise click.UsageError(f"--price-band: got {band[0]:g} {band[1]:g}, want the lower price first")
    stage = _stage(verbose, quiet)
    from .runs.commands import exchange

    _print(exchange.answer(exchange.match(orders, stage=stage, **options)), as_json, quiet)


@main.group()
def forecast() -> None:
    """Back-test forecasts on a file: error and pinball loss beside plain rules, coverage of the quantiles."""


_learnt = click.option("--warm-up-days", "warm_up", default=28, show_default=True, type=_Whole(min=1))


_text = _together(
    click.option("--time-zone", help="Of times and days.  [default: the offset of the file's times]"),
    click.option("--separator", default=",", show_default=True),
    click.option("--decimal", default=".", show_default=True),
    click.option("--encoding", default="utf-8", show_default=True),
)
"""How a file writes times and numbers."""
_readings = _together(
    click.argument("file", type=_FILE),
    click.option("--column", "columns", multiple=True, help="A column.  [default: all]"),
    click.option(
        "--preset", help="A provider's export: see `otonari formats`. Other options count before it."
    ),
    click.option(
        "--unit", default="kW", show_default=True, help="kW, kWh, W, Wh, W/kW, 'kWh cumulative' ..."
    ),
    click.option("--stamp", default="start", show_default=True, help="start, middle or end."),
    click.option("--time-column", default="time", show_default=True),
    click.option("--time-format", default="", help="Pattern of strptime."),
    _text,
    click.option("--skip-rows", default=0, type=_Whole(min=0), help="Before the header."),
    click.option("--slot-minutes", default=0, type=_Whole(min=0), help="[default: as in the file]"),
)
"""How a file of readings is written."""
_scored = _together(
    click.option("--holidays", help="DE, CA-ON, japan or none.  [default: japan in Asia/Tokyo, else none]"),
    click.option("--holiday", "dates", multiple=True, type=click.DateTime(["%Y-%m-%d"]), help="A date."),
    _learnt,
)
"""The options of a back-test of what depends on days off."""


def _require_one_calendar(options: dict[str, Any]) -> None:
    if options["holidays"] and options["dates"]:
        raise click.UsageError("--holidays and --holiday: got both, want one of them")


def _stated() -> list[str]:
    """Return the options of the running command that its user typed."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    return [name for name in context.params if context.get_parameter_source(name) is not default]


@forecast.command("demand")
@_readings
@_scored
@common
def forecast_demand(file: Path, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Back-test demand forecasts on readings of homes: one column each."""
    _stage(verbose, quiet)("forecasting day by day")
    _require_one_calendar(options)
    from .runs.commands import forecast

    _print(forecast.demand(file, stated=_stated(), **options), as_json, quiet)


@forecast.command("pv")
@_readings
@click.option("--latitude", type=_Number(-90, 90), help="Of the site; without it, no clear sky.")
@click.option("--longitude", type=_Number(-180, 180))
@click.option("--altitude", type=_Number(), default=0.0, show_default=True, help="[m]")
@click.option(
    "--tilt", type=_Number(0, 90), default=20.0, show_default=True, help="From the horizontal [deg]."
)
@click.option(
    "--azimuth", type=_Number(0, 360), default=180.0, show_default=True, help="Clockwise from north [deg]."
)
@click.option("--peak-kw", type=_POSITIVE, help="Installed, for the unit W/kW.")
@click.option("--weather", type=_FILE, help="CSV of day-ahead forecasts: ghi, dni, dhi, temp_air.")
@_learnt
@common
def forecast_pv(file: Path, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Back-test PV forecasts on readings of arrays: one column each."""
    if (options["latitude"] is None) != (options["longitude"] is None):
        raise click.UsageError("--latitude, --longitude: got one of them, want both or neither")
    _stage(verbose, quiet)("forecasting day by day")
    from .runs.commands import forecast

    _print(forecast.pv(file, stated=_stated(), **options), as_json, quiet)


@forecast.command("vehicle")
@click.argument("file", type=_FILE)
@click.option("--usable-kwh", default=6.5, show_default=True, type=_Number(min=0), help="Of the battery.")
@click.option("--economy", "economy_km_per_kwh", type=_POSITIVE, help="km/kWh, for trips in km.")
@_text
@_scored
@common
def forecast_vehicle(file: Path, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
    """Back-test forecasts of driving on round trips: vehicle, departure, arrival, energy_kwh or distance_km."""
    _stage(verbose, quiet)("forecasting day by day")
    _require_one_calendar(options)
    from .runs.commands import forecast

    _print(forecast.vehicle(file, **options), as_json, quiet)


@main.command()
@_scenario
@click.option("--days", default=7, show_default=True, type=_Whole(min=1), help="Local days.")
@click.option(
    "--mode",
    type=click.Choice(["exchange", "co-optimized", "alone"]),
    default="exchange",
    show_default=True,
    help="Agents that bid, the community planned as one at every slot, or nobody trades.",
)
@click.option(
    "--plan",
    type=click.Choice(["expected", "stochastic"]),
    default="expected",
    show_default=True,
    help="Whether it is planned for what is expected, or for several futures (co-optimized).",
)
@click.option("--scenarios", type=_Whole(2, 50), help="Futures of a stochastic plan.  [default: 5]")
@_set
@click.option(
    "--warm-up-days",
    "warm_up",
    default=14,
    show_default=True,
    type=_Whole(min=0),
    help="Days before the first one that forecasts learn from; fewer where measured files begin later.",
)
@click.option(
    "--seed",
    type=_Whole(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of who comes first of those who come at once, and of futures.",
)
@click.option("-o", "--output", type=_FILE, help="Run file (.nc).  [default: runs-out/SCENARIO/MODE.nc]")
@_ledger_options
@common
def simulate(
    scenario: str,
    plan: str,
    scenarios: int | None,
    no_ledger: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Simulate days of a scenario, or of a stored plan: forecasts, orders, trades, and what came of them.

    Every slot is written into a journal beside the run file and committed to the ledger as it closes; the same command
    goes on where an interrupted one stopped. Ctrl-C stops after the slot; a second one at once.
    """
    _require_ledger(options, no_ledger)
    _require_suffix(options["output"], ".nc")
    options["futures"] = _futures(plan, scenarios, options["mode"])
    _stage(verbose, quiet)("simulating")
    from .runs.commands import clear

    shown = _watched(verbose, quiet)
    with _progress(shown) as (bar, progress), _asked_to_stop() as stop:
        answer = clear.simulate(scenario, record=not no_ledger, progress=progress, stop=stop, **options)
    if answer is None:
        at = f"otonari: stopped after {bar.pos} of {bar.length} slots"
        _say(f"{at}; the same command goes on from there", err=True)
        raise click.exceptions.Exit(130)
    _print(answer, as_json, quiet)


@main.command()
@click.argument("file", type=_FILE, metavar="SWEEP.yaml")
@click.option("-o", "--output", type=_FOLDER, help="Folder of the run files.  [default: runs-out/NAME]")
@click.option(
    "--dataset", type=_FILE, help="What is gathered, .nc or .zarr.  [default: sweep.nc in the folder]"
)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster.  [default: processes here]")
@click.option("--workers", type=_Whole(min=1), help="Processes here.  [default: one per core]")
@common
def sweep(
    file: Path, dataset: Path | None, as_json: bool, verbose: bool, quiet: bool, **options: Any
) -> None:
    """Clear a scenario again and again, with other settings, days, seeds and markets; gather the figures.

    Every run is stored as soon as it is done, and a sweep that was stopped goes on where it was. Exit code 3 if
    points failed: the others are there, and each of these with its reason.
    """
    if dataset and dataset.suffix not in (".nc", ".zarr"):
        raise click.UsageError(f"--dataset: got {dataset}, want a name that ends in .nc or .zarr")
    if options["scheduler"] and options["workers"]:
        raise click.UsageError("--workers: the scheduler has workers of its own")
    _stage(verbose, quiet)("reading the sweep")
    from .runs.commands import clear

    with _progress(_watched(verbose, quiet), show_pos=True) as (_, progress):
        answer, failed = clear.sweep(file, dataset=dataset, progress=progress, **options)
    _print(answer, as_json, quiet)
    if failed:
        _say(f"otonari: {failed} points failed", err=True)
        raise click.exceptions.Exit(3)
