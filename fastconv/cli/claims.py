"""`fastconv claims`: the guide's performance claims, measured on this machine."""

from __future__ import annotations

import functools

import click

from ..report import claims as guide
from ..report.claims.page import findings_page
from ..report.claims.text import format_findings
from ..report.environment import describe_environment
from ..report.page import require_packages
from .shared import progress, require_writable, write_json, write_page

__all__ = ["claims"]


@click.command(epilog=f"NAME: {', '.join(guide.CLAIMS)}.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this claim; may be repeated.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=guide.SECONDS,
    show_default=True,
    help="Time for the timings of each claim.",
)
@click.option("--brief", is_flag=True, help="Only the table of verdicts.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the figures to a file; - is standard output.",
)
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a page with drawings.")
def claims(only, seconds, brief, json_path, html_path):
    """Measure what the guide to convolutional networks says about speed, and show where it holds here, and why not."""
    for option, path in (("json", json_path), ("html", html_path)):
        require_writable(option, path)
    if html_path:
        require_packages()
    findings = guide.check_claims(only, seconds=seconds, progress=functools.partial(progress, unit="claim"))
    environment = describe_environment()
    if json_path != "-":
        click.echo(format_findings(findings, details=not brief))
    if json_path:
        write_json(json_path, guide.as_dict(findings, environment))
    if html_path:
        write_page(html_path, findings_page(findings, environment))
