"""The command line: parse, call one function of ``runs`` or ``data``, print. Heavy modules load when used."""

import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

DEFAULT = "higashi-fuji"
EXIT_CODES = {
    "otonari.data.problems.InputError": 2,
    "otonari.runs.store.RunFileError": 2,
    "otonari.runs.compare.CompareError": 2,
    "builtins.OSError": 2,
    "otonari.model.solve.SolveError": 3,
    "otonari.runs.chain.LedgerTampered": 4,
    "otonari.runs.chain.LedgerConflict": 5,
    "otonari.runs.ledger.LedgerLocked": 6,
    "otonari.runs.ledger.LedgerTorn": 6,
    "otonari.runs.chain.LedgerError": 2,
}
"""Exit code of each failure, by the name of its class so that none must be imported; others are bugs: 1."""


class _Reporting(click.Group):
    """A group that turns failures into one message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            ctx.exit(_report(error))


def _report(error: Exception) -> int:
    """Print what went wrong and return its exit code."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    code = next((EXIT_CODES[name] for name in names if name in EXIT_CODES), 1)
    if code == 1:
        click.echo("".join(traceback.format_exception(error)), err=True)
        click.echo("otonari: this is a bug in otonari, not in your input; please report it", err=True)
        return code
    if problems := getattr(error, "problems", None):
        click.echo("\n".join(map(str, problems)), err=True)
        click.echo(f"otonari: {len(problems)} problem{'s' * (len(problems) > 1)}, nothing was done", err=True)
    elif causes := getattr(error, "causes", None):
        click.echo("\n".join(["otonari: no solution:", *(f"  {cause}" for cause in causes)]), err=True)
    else:
        click.echo(f"otonari: {_words(names[0])}{error}", err=True)
    if code == 5:
        click.echo("otonari: nothing was stored; see --ledger DIR and --no-ledger", err=True)
    return code


def _words(name: str) -> str:
    """Return what kind of ledger failure a class name stands for."""
    kind = name.rpartition(".Ledger")[2]
    return f"ledger {kind.lower()}: " if ".Ledger" in name and kind != "Error" else ""


def _stage(verbose: bool, quiet: bool) -> Callable[[str], None]:
    """Return what tells the user about the stages of a command: on a terminal, or in the log with -v."""
    if verbose:
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=form)
        return logging.getLogger("otonari").info
    if quiet or not sys.stderr.isatty():
        return lambda text: None
    return lambda text: click.secho(f"{text} ...", err=True, dim=True)


def _print_json(value: Any) -> None:
    from .runs import tables

    click.echo(tables.as_json(value))


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Machine-readable on stdout."),
        click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is done."),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    ):
        command = option(command)
    return command


@click.group(cls=_Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="otonari", prog_name="otonari")
def main() -> None:
    """Clear and plan local peer-to-peer electricity markets."""


@main.command()
@click.argument("scenario", default=DEFAULT)
@click.option("--market", type=click.Choice(["p2p", "grid-only"]), help="Market to clear.  [default: p2p]")
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change the scenario.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Run file (.nc).")
@click.option("--ledger", "directory", type=click.Path(path_type=Path, file_okay=False), help="Its ledger.")
@click.option("--no-ledger", is_flag=True, help="Commit nothing.")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), help="Seconds for each solve.")
@click.option("--relax", is_flag=True, help="Ignore minimum charge powers.")
@common
def clear(
    scenario: str,
    market: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    directory: Path | None,
    no_ledger: bool,
    time_limit: float | None,
    relax: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Clear a scenario: a bundled name, a file, a folder, or a run file that is cleared again.

    Without SCENARIO the bundled higashi-fuji is cleared. The run is stored as
    runs-out/SCENARIO/MARKET.nc; the blocks of a p2p market go to a ledger beside it.
    """
    if directory and (no_ledger or market == "grid-only"):
        raise click.UsageError("--ledger: got a directory, but this run commits nothing")
    if output and output.suffix != ".nc":
        raise click.UsageError(f"--output: got {output}, want a name that ends in .nc")
    stage = _stage(verbose, quiet)
    from .runs import compare, single, tables

    outcome = single.run(
        scenario,
        market,
        overrides=overrides,
        relax=relax,
        output=output,
        directory=directory,
        record=not no_ledger,
        time_limit=time_limit,
        stage=stage,
    )
    summary = compare.summary(outcome.tree)
    if as_json:
        _print_json(tables.facts(outcome, summary))
    elif not quiet:
        for note in tables.notes(outcome.tree):
            click.echo(note, err=True)
        click.echo(tables.heading(outcome.tree) + "\n")
        click.echo(tables.cleared(summary, outcome.tree.attrs["currency"]) + "\n")
        click.echo(tables.kept(outcome))


@main.command()
@click.argument("scenario", default=DEFAULT)
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change the scenario.")
@common
def validate(scenario: str, overrides: tuple[str, ...], as_json: bool, verbose: bool, quiet: bool) -> None:
    """List every problem of a scenario, with file, row and field. Exit code 2 if there is one."""
    _stage(verbose, quiet)("reading the scenario")
    from .data import build

    problems = build.problems(scenario, overrides)
    if as_json:
        _print_json([vars(problem) for problem in problems])
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
    if problems:
        click.echo(f"otonari: {len(problems)} problem{'s' * (len(problems) > 1)}", err=True)
        raise click.exceptions.Exit(2)
    if not quiet and not as_json:
        click.echo(f"{scenario}: no problems")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--template", default=DEFAULT, show_default=True, help="Bundled scenario to start from.")
@common
def init(directory: Path, template: str, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Write a commented scenario that clears as it is. Nothing is ever overwritten."""
    _stage(verbose, quiet)("copying the template")
    from .data import scenario
    from .runs import store

    written = store.write_new(directory, scenario.template_files(template))
    if as_json:
        _print_json([str(path) for path in written])
    elif not quiet:
        click.echo("\n".join(f"wrote {path}" for path in written))
        click.echo(f"next: otonari clear {directory}")


@main.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from .data import scenario

    _print_json(scenario.json_schema())


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN.nc...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="CSV or NetCDF file.")
@common
def compare(runs: tuple[Path, ...], output: Path | None, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Compare stored runs: totals and sums per kind, with differences to the first."""
    if output and output.suffix not in (".csv", ".nc"):
        raise click.UsageError(f"--output: got {output}, want a name that ends in .csv or .nc")
    stage = _stage(verbose, quiet)
    from .runs import compare as comparing
    from .runs import tables

    stage("reading the runs")
    comparison = comparing.compare(runs)
    kept = comparing.write(comparison, output) if output else None
    if as_json:
        _print_json(comparison.to_dict())
    elif not quiet:
        click.echo(tables.compared(comparison))
        if output:
            click.echo(f"\nstored  {output}" + (f" (the earlier one is now {kept})" if kept else ""))


@main.group()
def ledger() -> None:
    """Check and read ledgers. A ledger is tamper-evident, not tamper-proof."""


@ledger.command()
@click.argument("directory", type=click.Path(path_type=Path))
@common
def verify(directory: Path, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Check every block of a ledger."""
    _stage(verbose, quiet)(f"checking {directory}")
    from .runs import ledger as chain
    from .runs import tables

    summary = chain.verify(directory)
    if as_json:
        _print_json(vars(summary))
    elif not quiet:
        click.echo(tables.verified(summary))


@ledger.command()
@click.argument("directory", type=click.Path(path_type=Path))
@common
def show(directory: Path, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Print the blocks of a ledger after checking them: a table, or with --json one block a line."""
    _stage(verbose, quiet)(f"reading {directory}")
    from .runs import ledger as chain
    from .runs import tables

    blocks: Iterable[dict[str, Any]] = chain.show(directory)
    if as_json:
        for block in blocks:
            click.echo(tables.as_json(block, indent=None))
    elif not quiet:
        click.echo(tables.blocks(blocks))
