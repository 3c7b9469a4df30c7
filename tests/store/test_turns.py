"""Writers take turns: in the order of asking, accepting first, and nobody starves."""

import threading
import time

from tocsin.store.turns import Turns


def _queue_up(turns: Turns, served: list[str], name: str, *, first: bool) -> threading.Thread:
    def work() -> None:
        turns.acquire(first=first)
        served.append(name)
        turns.release()

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.03)  # so that they ask one after the other
    return thread


def test_accepting_goes_first_and_lets_another_go_between():
    turns = Turns()
    served: list[str] = []
    turns.acquire()
    asked = [("engine 1", False), ("engine 2", False), ("accept 1", True), ("accept 2", True)]
    threads = [_queue_up(turns, served, name, first=first) for name, first in asked]
    turns.release()
    for thread in threads:
        thread.join(5)
    assert served == ["accept 1", "engine 1", "accept 2", "engine 2"]


def test_who_may_not_wait_is_told_at_once():
    turns = Turns()
    turns.acquire()
    assert not turns.acquire(blocking=False)
    assert not turns.acquire(timeout=0.01)
    turns.release()
    assert turns.acquire(blocking=False)


def test_many_threads_never_hold_it_together():
    turns, inside, worst = Turns(), 0, 0
    guard = threading.Lock()

    def work(*, first: bool) -> None:
        nonlocal inside, worst
        for _ in range(200):
            if turns.acquire(timeout=1, first=first):
                with guard:
                    inside += 1
                    worst = max(worst, inside)
                with guard:
                    inside -= 1
                turns.release()

    threads = [threading.Thread(target=work, kwargs={"first": number % 2 == 0}) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert worst == 1
    assert turns.acquire(blocking=False)
