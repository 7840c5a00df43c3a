"""The claims as a page: verdicts in a table, each claim's figures beside the guide's in a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from .. import page as pages
from ..svg import ACCENT, INK, MUTED, canvas, series
from . import as_dict
from .claim import HOLDS, NOT, PARTLY, Finding
from .words import times

__all__ = ["findings_page", "summary"]

_WIDTH, _BAR, _MARGINS = 360, 19, 56
_MARKS = {HOLDS: "good", NOT: "bad"}
# Beyond this factor between the largest and the least figure bars are drawn over a logarithm.
_LINEAR = 20


def findings_page(findings: Sequence[Finding], environment: dict) -> pages.Page:
    """The page of what was found about the claims.

    Raises
    ------
    MissingExtraError
        Without matplotlib (the extra ``report``).
    """
    return pages.Page(
        title="The guide's performance claims, measured",
        summary=summary(findings),
        sections=[
            pages.Section("Verdicts", [_verdicts(findings)]),
            pages.Section("Figures", [pages.Gallery([_figure(finding) for finding in findings if finding.figures])]),
        ],
        facts={"CPU": environment["CPU"], "threads": "1"},
        environment=environment,
        data=as_dict(findings, environment),
        data_name="claims.json",
    )


def summary(findings: Sequence[Finding]) -> str:
    """One sentence: how many claims hold, how many partly, and which do not."""
    by_verdict = {kind: [f.claim.title for f in findings if f.verdict.holds == kind] for kind in (HOLDS, PARTLY, NOT)}
    text = f"Of {len(findings)} performance claims {len(by_verdict[HOLDS])} hold on this machine"
    if by_verdict[PARTLY]:
        text += f", {len(by_verdict[PARTLY])} hold partly"
    if by_verdict[NOT]:
        text += f", {len(by_verdict[NOT])} do not: {', '.join(by_verdict[NOT])}"
    return f"{text}."


def _verdicts(findings):
    columns = [
        pages.Column("claim"),
        pages.Column("verdict"),
        pages.Column("guide", minor=True),
        pages.Column("here", minor=True),
    ]
    return pages.Table("What the guide says, and what was measured", columns, [_line(finding) for finding in findings])


def _line(finding):
    claim, verdict = finding.claim, finding.verdict
    said = {
        f"The guide ({claim.section})": " ".join(f"\u201c{quote}\u201d" for quote in claim.quotes),
        "Here": verdict.here,
        "Measured": claim.method,
        "Criterion": claim.criterion,
        "Why": verdict.why,
    }
    columns = [
        pages.Column("figure"),
        pages.Column("times", numeric=True),
        pages.Column("of what"),
        pages.Column("the two", minor=True),
    ]
    figures = [pages.Line([f.key, pages.Cell(times(f.value), f.value), f.label, f.detail]) for f in finding.figures]
    details = [*(pages.Text(f"{name}: {text}") for name, text in said.items()), pages.Table("Figures", columns, figures)]
    cells = [claim.title, pages.Cell(verdict.holds, mark=_MARKS.get(verdict.holds, "")), claim.stated, verdict.here]
    return pages.Line(cells, details)


def _figure(finding):
    """Bars of every figure, and what the guide gives."""
    claim, figures = finding.claim, finding.figures
    values = [figure.value for figure in figures]
    with canvas(_WIDTH, _MARGINS + _BAR * len(figures)) as drawing:
        axes = drawing.subplots()
        caption = f"The guide: {claim.stated}" + _draw_span(axes, claim.span)
        if max(values) > _LINEAR * min(values):
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(1, color=INK, linewidth=0.8)
        colours = [MUTED if figure.beside else series(0) for figure in figures]
        bars = axes.barh([figure.key for figure in figures], [value - 1 for value in values], left=1, color=colours, height=0.6)
        axes.bar_label(bars, [times(value) for value in values], fontsize=9, padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("times")
    if any(figure.beside for figure in figures):
        caption += "; grey: beside the claim"
    described = "; ".join(f"{figure.key} {times(figure.value)}" for figure in figures)
    return pages.Figure.of(drawing, f"{claim.title}: {finding.verdict.holds}", described, f"{caption}.")


def _draw_span(axes, span):
    """Marks the guide's figure, and says how."""
    if span is None:
        return ""
    low, high = span
    if low == high:
        axes.axvline(low, color=ACCENT, linestyle="--", linewidth=1.2)
        return ", dashed"
    axes.axvspan(low, high, color=ACCENT, alpha=0.15, linewidth=0)
    return ", shaded"
