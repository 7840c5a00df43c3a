"""`fastconv tune | explain | calibrate`: choosing an algorithm of convolution."""

from __future__ import annotations

import dataclasses
import functools
import sys

import click

from ..functional import plan
from ..problem import DIRECTIONS, ConvProblem
from ..report.quantities import seconds_text
from ..report.text import format_table
from ..selection import calibration, heuristic
from ..selection.calibrate import calibrate as calibrate_machine
from ..selection.options import EFFORTS, config, get_config
from ..selection.tune import autotune
from .problem_options import SOURCE_HELP, TABLE_OPTION, filters, layers_of, problem_options
from .shared import progress, require_writable, write_json, writing

__all__ = ["calibrate", "explain", "tune"]


@click.command(epilog=SOURCE_HELP)
@click.argument("source")
@problem_options((*DIRECTIONS, "train"))
@TABLE_OPTION
@click.option(
    "--time-budget", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop measuring after this time."
)
@click.option(
    "--lock", "lock_path", type=click.Path(dir_okay=False), help="Write the plans to a file that can be committed and replayed."
)
def tune(source, only, time_budget, lock_path, **options):
    """Measure the layers and remember the plans for this machine."""
    layers = layers_of(source, only, options)
    require_writable("lock", lock_path)
    problems = list(dict.fromkeys(layer.problem for layer in layers))
    with filters(options):
        tuned = autotune(problems, time_budget=time_budget, lock=lock_path, progress=sys.stderr.isatty())
    choices = dict(zip(problems, tuned, strict=True))
    rows = [_tuned_row(layer, choices[layer.problem]) for layer in layers]
    click.echo(format_table(["layer", "shape", "direction", "algorithm", "because", "time"], rows, "lllll"))
    if lock_path:
        click.echo(f"\nplans written to {lock_path}")


@click.command()
@click.argument("shape")
@problem_options(DIRECTIONS)
@click.option("--effort", type=click.Choice(EFFORTS), help="How the plan is found.  [default: cached]")
@click.option("--lock", "lock_path", type=click.Path(dir_okay=False), help="A file of plans that come before all others.")
def explain(shape, effort, lock_path, **options):
    """Show the plan for a SHAPE such as 1x64x56x56,64x3x3,p1: the algorithm, and why it and not another."""
    changes = {} if options["batch"] is None else {"batch": options["batch"]}
    problem = ConvProblem.parse(
        shape, direction=options["direction"], dtype=options["dtype"], memory_format=options["memory_format"]
    ).replace(**changes)
    with filters(options), config(lock=lock_path):
        click.echo(str(plan(problem, effort=effort).explain()))


@click.command()
@click.option(
    "--time-budget", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Start no problem after this time."
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the constants to a file too; - is standard output.",
)
def calibrate(time_budget, json_path):
    """Fit the cost models to this machine, in about two minutes; best on a machine that does nothing else.

    The constants are kept in the cache folder, for the instruction set in use (FASTCONV_ISA).
    """
    require_writable("json", json_path)
    found = calibrate_machine(time_budget=time_budget, progress=functools.partial(progress, unit="problem"))
    with writing("cache folder", calibration.path(get_config())):
        calibration.save(found.constants, get_config())
    constants = dataclasses.asdict(found.constants)
    if json_path:
        write_json(json_path, constants)
    if json_path == "-":
        return
    rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in constants.items() if name != "factors"]
    click.echo(format_table(["constant", "measured"], rows, "l"))
    click.echo(
        f"\npicks within {heuristic.GOOD_PICK} times the fastest on {found.problems} problems: "
        f"{found.before:.0%} before, {found.after:.0%} after"
    )
    click.echo(f"kept in {calibration.path(get_config())}")


def _tuned_row(layer, choice):
    problem, name = layer.problem, choice.algorithm.name
    measured = choice.record.measured[name].seconds if choice.record else None
    return [layer.name, str(problem), problem.direction, name, choice.source, seconds_text(measured)]
