"""The performance claims of the guide to convolutional networks, measured on this machine: one claim a file.

    CLAIMS -- check_claims -> Finding*  -- as_dict (JSON)
                                        -- text.format_findings
                                        `- page.findings_page (HTML)

A claim says what the guide states, what is measured, and what decides whether it holds; all times are the timing loop's of the
library (`fastconv.selection.race`), on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...errors import InvalidArgumentError
from . import access_order, batch_norm, fft, fusion, im2col, separable, simd, winograd
from .claim import Claim, Figure, Finding, Verdict

__all__ = ["CLAIMS", "SCHEMA", "Claim", "Figure", "Finding", "Verdict", "as_dict", "check_claims"]

# In the order of the guide.
CLAIMS = {
    module.CLAIM.name: module.CLAIM for module in (im2col, batch_norm, winograd, fft, access_order, simd, fusion, separable)
}
SCHEMA = "fastconv.claims/1"
# Aimed at for the timings of one claim.
SECONDS = 4.0


def check_claims(
    names: Iterable[str] = (), *, seconds: float = SECONDS, progress: Callable[[Iterable[str]], Iterable[str]] = iter
) -> list[Finding]:
    """Measure claims of the guide and judge them.

    Parameters
    ----------
    names : iterable of str
        Of `CLAIMS`; none means all.
    seconds : float
        Aimed at for the timings of each claim.
    progress : callable
        Wraps the sequence of their names, as `tqdm.tqdm` does.

    Raises
    ------
    InvalidArgumentError
        Of an unknown name; the message lists what there is.

    Examples
    --------
    >>> finding, = check_claims(["separable"], seconds=0.01)
    >>> finding.verdict.holds, round(finding.figures[3].value, 2)
    ('holds', 8.41)
    """
    chosen = list(dict.fromkeys(names)) or list(CLAIMS)
    unknown = [name for name in chosen if name not in CLAIMS]
    if unknown:
        raise InvalidArgumentError(f"names: got {', '.join(unknown)}, expected some of {', '.join(CLAIMS)}")
    if not seconds > 0:
        raise InvalidArgumentError(f"seconds: got {seconds!r}, expected a positive number")
    return [CLAIMS[name].check(seconds) for name in progress(chosen)]


def as_dict(findings: Iterable[Finding], environment: dict) -> dict:
    """All findings as plain values, for JSON."""
    return {"schema": SCHEMA, "environment": environment, "claims": [finding.as_dict() for finding in findings]}
