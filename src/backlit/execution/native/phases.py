"""Who computes what, and when: work is cut into parts, and parts go to phases.

Within a phase, no part reads what another part writes, so that threads need to meet only at its
end. Most work goes along the rows of a batch: forward pass and deltas of some rows need nothing of
the other rows, and so go through many layers in one phase. Nobody says so; it is seen from which
bytes the parts touch. What mixes rows, such as a gradient of weights, is cut along something else,
or not at all, and begins a phase where it has to wait.

The cuts follow from the program alone, never from the number of threads: whoever computes a part,
its bits are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from backlit.execution.native.calls import Work
from backlit.execution.native.places import Buffer, Place

ENOUGH_SECONDS = 1e-4  # what a program must take for threads to gain more than meeting costs
PART_SECONDS = 2.5e-5  # a part of the whole program
MOST_PARTS = 16
MEETING_SECONDS = 1e-6
CALL_SECONDS = 4e-8
THREADS = 4  # for which parts are chosen
NARROW = 64  # columns; fewer slow a product of large matrices down
ALIGNED = 16  # numbers, of which parts have a multiple, if they can


@dataclass(eq=False)
class Task:
    """Work to be done in order, by one thread.

    Attributes
    ----------
    works : list of Work
    """

    works: list[Work]

    def seconds(self) -> float:
        """Return how long it takes on one core, roughly."""
        return sum(work.seconds() for work in self.works)


# Tasks that do not depend on each other.
Phase = list[Task]


def plan(works: Sequence[Work]) -> list[Phase]:
    """Cut work into parts, and order them by phases.

    Parameters
    ----------
    works : list of Work
        In an order in which they can be done.

    Returns
    -------
    list of Phase
        One task in one phase, if threads are not worth their meetings.
    """
    total = sum(work.seconds() for work in works)
    if total < ENOUGH_SECONDS:
        return [[Task(list(works))]]
    count = 1
    while count < MOST_PARTS and total / (2 * count) >= PART_SECONDS:
        count *= 2
    return _Plan(count).of(works)


@dataclass(frozen=True, eq=False)
class _Access:
    """A place that is read or written, in parts, by a group of tasks in a phase."""

    parts: list[Place]
    writes: bool
    phase: int
    group: _Group


@dataclass(eq=False)
class _Group:
    """Tasks that do the first parts of some works, the second parts, and so on.

    When two groups become one, both have the tasks of both from then on.
    """

    tasks: list[Task]


class _Plan:
    def __init__(self, count: int) -> None:
        self.count = count
        self.accesses: dict[Buffer, list[_Access]] = defaultdict(list)
        self.groups: dict[int, list[_Group]] = defaultdict(list)

    def of(self, works: Sequence[Work]) -> list[Phase]:
        for work in works:
            choices = [(*self._first(parts), parts) for parts in self._cuts(work)]
            phase, mates, parts = min(choices, key=lambda choice: _cost(choice[0], choice[2]))
            group = self._join(phase, mates, len(parts))
            for task, part in zip(group.tasks, parts, strict=True):
                task.works.append(part)
            for places, writes in _accesses(parts):
                if places[0].buffer.array is None:  # what never changes is in nobody's way
                    self.accesses[places[0].buffer].append(_Access(places, writes, phase, group))
        order = {buffer: number for number, buffer in enumerate(self.accesses)}
        phases = []
        for phase in sorted(self.groups):
            # Neighbours in memory for neighbours in order: who computes a gradient will update its
            # parameters.
            groups = sorted(self.groups[phase], key=lambda group: _last_written(group, order))
            phases.append([task for group in groups for task in group.tasks])
        return phases

    def _cuts(self, work: Work) -> list[list[Work]]:
        """Return the ways to cut some work: not at all, and along its axes."""
        cuts = [[work]]
        for axis, length in enumerate(work.lengths):
            for count in {self.count, min(self.count, THREADS)}:
                if 1 < count <= (length if axis == 0 else length // NARROW):
                    bounds = _bounds(length, count)
                    cuts.append([work.part(axis, *pair) for pair in pairwise(bounds)])
        return cuts

    def _first(self, parts: list[Work]) -> tuple[int, list[_Group]]:
        """Return the first phase in which parts can be done, and by whose tasks they must be."""
        first = 0
        mates: list[_Group] = []
        for places, writes in _accesses(parts):
            for access in self.accesses.get(places[0].buffer, ()):
                if not (writes or access.writes) or access.phase < first:
                    continue
                if not _overlap(places, access.parts):
                    continue
                together = _is_aligned(places, access.parts)
                phase = access.phase + (not together)
                if phase > first:
                    first, mates = phase, []
                if together and phase == first:
                    mates.append(access.group)
        return first, mates

    def _join(self, phase: int, mates: list[_Group], count: int) -> _Group:
        """Return the group that some are to be from now on, or a new one."""
        mates = [group for group in self.groups[phase] if group in mates]
        if not mates:
            mates = [_Group([Task([]) for _ in range(count)])]
            self.groups[phase].append(mates[0])
        first, *others = mates
        for other in others:
            for task, more in zip(first.tasks, other.tasks, strict=True):
                task.works += more.works
            self.groups[phase].remove(other)
            for accesses in self.accesses.values():
                accesses[:] = [
                    replace(access, group=first) if access.group is other else access
                    for access in accesses
                ]
        return first


def _accesses(parts: list[Work]) -> Iterator[tuple[list[Place], bool]]:
    """Return what is read and written, each in parts, and whether it is written."""
    for number in range(len(parts[0].reads)):
        yield [part.reads[number] for part in parts], False
    for number in range(len(parts[0].writes)):
        yield [part.writes[number] for part in parts], True


def _last_written(group: _Group, order: dict[Buffer, int]) -> tuple[int, int]:
    place = group.tasks[0].works[-1].writes[0]
    return order[place.buffer], place.offset


def _cost(phase: int, parts: list[Work]) -> float:
    seconds = sum(part.seconds() + CALL_SECONDS for part in parts)
    return phase * MEETING_SECONDS + seconds / min(len(parts), THREADS)


def _bounds(length: int, count: int) -> list[int]:
    """Return where the parts of an axis begin, and its end."""
    unit = ALIGNED if length >= 4 * ALIGNED * count else 1
    return [length * number // count // unit * unit for number in range(count)] + [length]


def _overlap(some: list[Place], others: list[Place]) -> bool:
    """Return whether any of some places may share bytes with any of others."""
    (a, b), (c, d) = _whole_extent(some), _whole_extent(others)
    return a < d and c < b


def _whole_extent(parts: list[Place]) -> tuple[int, int]:
    extents = [part.extent() for part in parts]
    return min(first for first, _ in extents), max(last for _, last in extents)


def _is_aligned(some: list[Place], others: list[Place]) -> bool:
    """Return whether parts share bytes only with the parts of the same number."""
    if len(some) != len(others):
        return False
    if all(a == b for a, b in zip(some, others, strict=True)):
        return True  # the same cut of the same place
    mine, theirs = ([part.extent() for part in parts] for parts in (some, others))
    return all(
        i == j or last <= since or until <= first
        for i, (first, last) in enumerate(mine)
        for j, (since, until) in enumerate(theirs)
    )
