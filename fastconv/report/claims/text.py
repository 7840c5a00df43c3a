"""Claims and what was found as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..quantities import MISSING
from ..text import WIDTH, format_table
from .claim import Finding
from .words import times

__all__ = ["format_findings"]

_INDENT = "  "


def format_findings(findings: Sequence[Finding], details: bool = True) -> str:
    """A line a claim, and with details what was measured, every figure, and why the verdict is what it is."""
    rows = [[f.claim.name, f.claim.stated, f.verdict.here or MISSING, f.verdict.holds] for f in findings]
    parts = [format_table(["claim", "guide", "here", "verdict"], rows, "llll")]
    if details:
        parts += map(_in_full, findings)
    return "\n\n".join(parts)


def _in_full(finding):
    claim, verdict = finding.claim, finding.verdict
    quotes = " ".join(f'"{quote}"' for quote in claim.quotes)
    said = {"guide": f"{quotes} ({claim.section})", "measured": claim.method, "criterion": claim.criterion, "why": verdict.why}
    lines = [f"{claim.title}: {verdict.holds}"]
    lines += [_wrapped(f"{_INDENT}{name}: ", text) for name, text in said.items()]
    rows = [[times(figure.value), figure.key, figure.label, figure.detail] for figure in finding.figures]
    if rows:
        lines.append(textwrap.indent(format_table(["times", "", "of what", "figures"], rows, "rlll"), _INDENT))
    return "\n".join(lines)


def _wrapped(start, text):
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=2 * _INDENT)
