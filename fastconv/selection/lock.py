"""Plans in one readable file that a team commits: export, diff and replay.

The file is JSON with a line per plan, sorted, so that a version control system shows what changed.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from ..errors import InvalidArgumentError, MissingPlanError
from ..files import write_whole
from ..problem import ConvProblem
from ..typing import PathLike

__all__ = ["Lock", "LockedPlan", "diff"]

_FORMAT = "fastconv plans"
_VERSION = 1
_PACKING = {True: "once", False: "every call"}


@dataclasses.dataclass(frozen=True)
class LockedPlan:
    """The algorithm recorded for a problem, a number of threads and a habit of packing weights."""

    problem: ConvProblem
    threads: int
    packed_once: bool
    algorithm: str
    seconds: float | None = None

    @property
    def key(self) -> tuple[ConvProblem, int, bool]:
        return self.problem, self.threads, self.packed_once

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values; the problem as text."""
        return {
            **self.problem.to_dict(),
            "threads": self.threads,
            "packing": _PACKING[self.packed_once],
            "algorithm": self.algorithm,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; raises KeyError, TypeError or ValueError for anything else."""
        packing = {text: flag for flag, text in _PACKING.items()}
        problem = ConvProblem.from_dict(entry)
        seconds = entry.get("seconds")
        if not isinstance(entry["algorithm"], str) or not isinstance(entry["threads"], int) or entry["threads"] < 1:
            raise ValueError(f"not a plan: {entry}")
        return cls(
            problem,
            entry["threads"],
            packing[entry["packing"]],
            entry["algorithm"],
            None if seconds is None else float(seconds),
        )

    def __str__(self) -> str:
        p = self.problem
        return f"{p.direction} {p} {p.dtype} {p.memory_format}, {self.threads} thread(s), packed {_PACKING[self.packed_once]}"


class Lock:
    """A set of plans, as a lock file holds it.

    Parameters
    ----------
    plans : iterable of LockedPlan
    """

    def __init__(self, plans: Iterable[LockedPlan]) -> None:
        self._plans = {plan.key: plan for plan in plans}

    def get(self, problem: ConvProblem, threads: int, packed_once: bool) -> LockedPlan | None:
        """The `LockedPlan` of a problem, or None."""
        return self._plans.get((problem, threads, packed_once))

    def __iter__(self) -> Iterator[LockedPlan]:
        return iter(self._plans.values())

    def __len__(self) -> int:
        return len(self._plans)

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Read a lock file.

        Raises
        ------
        MissingPlanError
            If there is no such file.
        InvalidArgumentError
            If it is not a lock file of this or an older version.
        """
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
        except FileNotFoundError:
            raise MissingPlanError(
                f"lock: there is no file {os.fspath(path)!r}; write it with `fastconv tune --lock`"
            ) from None
        except TypeError:
            raise InvalidArgumentError(f"lock: got {path!r}, expected the path of a lock file") from None
        except (OSError, ValueError) as error:
            raise InvalidArgumentError(f"lock: cannot read {os.fspath(path)!r}: {error}") from None
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise InvalidArgumentError(f"lock: {os.fspath(path)!r} is not a file of fastconv plans")
        if data.get("version") != _VERSION:
            raise InvalidArgumentError(
                f"lock: {os.fspath(path)!r} has version {data.get('version')!r}, this fastconv reads {_VERSION}"
            )
        try:
            return cls(LockedPlan.from_dict(entry) for entry in data["plans"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidArgumentError(f"lock: {os.fspath(path)!r} has a damaged entry: {error}") from None

    def write(self, path: PathLike) -> None:
        """Write the plans to a file, replacing it in one step."""
        entries = sorted((plan.to_dict() for plan in self), key=lambda e: [str(v) for v in e.values()])
        lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
        head = f' "format": {json.dumps(_FORMAT)},\n "version": {_VERSION},\n'
        write_whole(path, f'{{\n{head} "plans": [\n{lines}\n ]\n}}\n')


def diff(before: Lock, after: Lock) -> list[tuple[LockedPlan | None, LockedPlan | None]]:
    """What changed from one `Lock` to another.

    Returns
    -------
    list of (LockedPlan or None, LockedPlan or None)
        Before and after, for each plan whose algorithm differs; None where one side lacks it.
    """
    pairs: list[tuple[LockedPlan | None, LockedPlan | None]] = [(plan, after.get(*plan.key)) for plan in before]
    pairs += [(None, plan) for plan in after if before.get(*plan.key) is None]
    return [(a, b) for a, b in pairs if a is None or b is None or a.algorithm != b.algorithm]
