"""Whose turn it is to write: a mutex that serves in the order of asking, and lets accepting go first.

Laws:
1. Whoever accepts events (`first`) waits for one other writer at most; two of them in a row never go before another
   that waits, so nobody starves.
2. The turn is handed over, not put up for grabs: who asked earlier is served earlier.
"""

import threading
from collections import deque


class Turns:
    """A mutex with `threading.Lock`'s words, and `first` for those who should not wait long."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._first: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()
        self._was_first = False

    def acquire(self, *, blocking: bool = True, timeout: float = -1, first: bool = False) -> bool:
        """Take the turn. False: it is another's and we may not wait, or waited `timeout` seconds for nothing."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                self._was_first = first
                return True
            if not blocking:
                return False
            turn = threading.Lock()
            turn.acquire()
            queue = self._first if first else self._others
            queue.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn in queue:
                queue.remove(turn)
                return False
        return True  # it was handed to us while we gave up

    def release(self) -> None:
        """Hand the turn to whoever is next."""
        with self._guard:
            if self._first and not (self._was_first and self._others):
                self._was_first = True
                self._first.popleft().release()
            elif self._others:
                self._was_first = False
                self._others.popleft().release()
            else:
                self._is_taken = False
