"""The thread pool of event loops in threads: results, errors, its bound, its end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from alphapulse_api.runtime.executor import LastingExecutor


def test_results_and_errors_reach_the_caller() -> None:
    with LastingExecutor(2, "test") as executor:
        assert executor.submit(pow, 2, exp=5).result(10) == 32
        with pytest.raises(ZeroDivisionError):
            executor.submit(lambda: 1 / 0).result(10)
        assert list(executor.map(str, range(100))) == [str(n) for n in range(100)]


def test_threads_are_reused_and_bounded() -> None:
    together = threading.Barrier(3)
    with LastingExecutor(3, "test") as executor:
        for _ in range(5):
            names = {executor.submit(lambda: threading.current_thread().name).result(10)}
        assert names == {"test_0"}
        waiting = [executor.submit(together.wait, 10) for _ in range(6)]
        for future in waiting:
            future.result(10)
        assert {t.name for t in threading.enumerate() if t.name.startswith("test_")} == {
            "test_0",
            "test_1",
            "test_2",
        }


def test_shutdown_completes_what_is_queued_and_refuses_more() -> None:
    go_on = threading.Event()
    executor = LastingExecutor(1, "test")
    futures = [executor.submit(go_on.wait, 10), executor.submit(int, "7")]
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(int)
    go_on.set()
    executor.shutdown()
    assert [future.result(0) for future in futures] == [True, 7]


def test_shutdown_may_cancel_what_no_thread_has_begun() -> None:
    go_on, begun = threading.Event(), threading.Event()
    executor = LastingExecutor(1, "test")
    first = executor.submit(lambda: (begun.set(), go_on.wait(10))[1])
    second = executor.submit(int)
    assert begun.wait(10)
    executor.shutdown(wait=False, cancel_futures=True)
    go_on.set()
    executor.shutdown()
    assert first.result(0) is True
    assert second.cancelled()


def test_it_works_after_the_main_thread_has_ended() -> None:
    program = """
import atexit, threading
from alphapulse_api.runtime.executor import LastingExecutor

executor = LastingExecutor(2, "test")

def go_on():
    threading.main_thread().join()
    print(executor.submit(int, "1").result(10), flush=True)

def at_exit():
    print(executor.submit(int, "2").result(10), flush=True)
    executor.shutdown()

atexit.register(at_exit)
threading.Thread(target=go_on).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("1\n2\n", "")
