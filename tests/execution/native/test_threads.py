"""Work is shared out among threads, and threads are held and freed."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlit.execution.native import threads
from backlit.execution.native.calls import Work
from backlit.execution.native.executor import share_out
from backlit.execution.native.phases import Task


class Known(Work):
    """Work of which only the seconds are known."""

    reads = writes = ()

    def __init__(self, seconds):
        self.known = seconds

    def seconds(self):
        return self.known

    def call(self):
        raise AssertionError("nobody calls this")


def phase_of(*tasks):
    return [Task([Known(seconds) for seconds in works]) for works in tasks]


some_seconds = st.floats(1e-9, 1e-2)
some_tasks = st.lists(some_seconds, min_size=1, max_size=4)
some_phases = st.lists(st.lists(some_tasks, min_size=1, max_size=9), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(some_phases, st.integers(1, 9))
def test_every_call_has_one_thread_and_calls_stay_in_order(drawn, n_threads):
    shares = share_out([phase_of(*tasks) for tasks in drawn], n_threads)
    assert shares.shape == (len(drawn), n_threads, 2)
    position = 0
    for tasks, of_threads in zip(drawn, shares.tolist(), strict=True):
        # Where one task ends and the next begins: nobody has a part of a task.
        bounds = {position}
        for works in tasks:
            bounds.add(max(bounds) + len(works))
        for start, end in of_threads:
            assert start == position and {start, end} <= bounds
            position = end
        assert position == max(bounds)


@settings(max_examples=200, deadline=None)
@given(some_phases, st.integers(1, 9))
def test_no_thread_has_more_than_its_share_by_more_than_a_task(drawn, n_threads):
    for tasks in drawn:
        shares = share_out([phase_of(*tasks)], n_threads)[0].tolist()
        seconds = [second for works in tasks for second in works]
        fair = sum(seconds) / n_threads
        longest = max(map(sum, tasks))
        for start, end in shares:
            # Rounding of a sum of at most 36 numbers.
            assert sum(seconds[start:end]) <= (fair + longest) * (1 + 1e-12)


def test_equal_tasks_are_shared_out_equally():
    phase = phase_of(*[[1e-4]] * 8)
    assert share_out([phase], 4).tolist() == [[[0, 2], [2, 4], [4, 6], [6, 8]]]
    assert share_out([phase_of([1e-4, 1e-4]), phase], 1).tolist() == [[[0, 2]], [[2, 10]]]


def test_a_long_task_is_left_to_one_thread_and_the_short_ones_to_others():
    shares = share_out([phase_of([1e-3], *[[1e-5]] * 10)], 2)[0].tolist()
    assert shares[0] == [0, 1]
    assert shares[1] == [1, 11]


# ----- Holding threads ---------------------------------------------------------------------------


def test_all_threads_of_a_team_run_at_once():
    # They meet; with one thread too few, nobody would come through before the time is over.
    for size in (2, 5, 3):
        barrier = threading.Barrier(size)
        with threads.team(size) as submit:
            futures = [submit(barrier.wait, 20) for _ in range(size)]
            assert sorted(future.result() for future in futures) == list(range(size))


def test_a_second_holder_is_refused_until_the_first_is_done():
    with threads.team(2) as first:
        assert first is not None
        with threads.team(2) as second:
            assert second is None
        with ThreadPoolExecutor(1) as other:  # also from another thread
            assert other.submit(lambda: threads.team(1).__enter__()).result() is None
        with threads.team(1) as third:  # the one refused has freed nothing
            assert third is None
    with threads.team(2) as again:
        assert again is not None


def test_an_exception_frees_the_threads():
    with pytest.raises(ZeroDivisionError), threads.team(2):
        _ = 1 / 0
    with threads.team(2) as submit:
        assert submit is not None


def test_an_interrupt_stops_the_threads_and_waits_for_them(monkeypatch):
    stopped, looks = threading.Event(), []
    wait = threads.wait

    def interrupted(futures, **given):
        looks.append(given)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return wait(futures, **given)

    monkeypatch.setattr(threads, "wait", interrupted)
    with threads.team(2) as submit:
        futures = [submit(stopped.wait, 20) for _ in range(2)]
        with pytest.raises(KeyboardInterrupt):
            threads.finish(futures, stopped.set)
        assert all(future.done() and future.result() is True for future in futures)


def test_what_is_done_is_not_stopped():
    with threads.team(2) as submit:
        futures = [submit(int, "7") for _ in range(2)]
        threads.finish(futures, lambda: pytest.fail("nothing is to be stopped"))
        assert [future.result() for future in futures] == [7, 7]


INTERRUPTED = """
import time
import numpy as np
import backlit
from backlit.autodiff.recording import expand
from backlit.execution.blas import one_thread
from backlit.execution.native.repeated import Repeated

x = np.zeros((300, 300), np.float32)
program = expand(backlit.record(lambda x: np.tanh(x @ x), x))
loop = Repeated(program, carried={{0: 0}}, gathered=(), fed=(), kept=())

def run(steps):
    with one_thread():
        loop.run({{0: x}}, {{}}, np.zeros((steps, 0), int), steps, n_threads={threads})

run(100)
began = time.perf_counter()
run(100)
print(time.perf_counter() - began, flush=True)
try:
    run(10_000)
    print("went on to its end", flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
run(100)
print("went on", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal to a process of its own")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_stops_a_long_loop_at_once_and_the_next_one_works(n_threads):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.format(threads=n_threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    short = float(process.stdout.readline())
    time.sleep(10 * short)  # a tenth of the long run, in whose midst the signal comes
    process.send_signal(signal.SIGINT)
    began = time.perf_counter()
    assert process.stdout.readline() == "stopped\n"
    passed = time.perf_counter() - began
    out, err = process.communicate(timeout=60)
    assert out == "went on\n", err
    # It stops after the step that it was at, a hundredth of the short run; about 90 of those were
    # left.
    assert passed < 30 * short, (passed, short)
