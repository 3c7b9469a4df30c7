"""How often a password may be guessed: a few tries at once, then waits that double.

Laws:
1. A right password that comes during a wait is not even looked at; the wait says how long it lasts.
2. Failures are counted for the pair of person and address, and for the address alone, so that a stranger who guesses
   at Ada's password does not lock Ada out where she usually is.
3. Failures older than `FORGOTTEN_AFTER` do not count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_TRIES_PAIR = 5
FREE_TRIES_ADDRESS = 40
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class Failures:
    """How often signing in failed for one subject, and when it last did."""

    count: int
    last_at: datetime


def wait(failures: Failures | None, *, free_tries: int, now: datetime) -> timedelta:
    """How long this subject must still wait before its next try; zero when it may try now."""
    if failures is None or now - failures.last_at >= FORGOTTEN_AFTER or failures.count < free_tries:
        return timedelta()
    doubled = FIRST_WAIT * (1 << min(failures.count - free_tries, 10))
    return max(timedelta(), failures.last_at + min(doubled, LONGEST_WAIT) - now)


def after_failure(failures: Failures | None, now: datetime) -> Failures:
    """One failure more, beginning anew when the old ones are forgotten."""
    if failures is None or now - failures.last_at >= FORGOTTEN_AFTER:
        return Failures(1, now)
    return Failures(failures.count + 1, now)


def password_problem(password: str, *, name: str, email: str) -> str:
    """Why this may not be somebody's password; empty when it may. Length is what counts, so only length is asked for."""
    if len(password) < PASSWORD_LENGTH_MIN:
        return f"Use at least {PASSWORD_LENGTH_MIN} characters; three or four words are easy to remember"
    if len(password) > PASSWORD_LENGTH_MAX:
        return f"Use at most {PASSWORD_LENGTH_MAX} characters"
    folded = password.casefold()
    if folded in {name.casefold(), email.casefold(), email.partition("@")[0].casefold()}:
        return "Use something other than your name or e-mail address"
    if len(set(password)) < 4:
        return "Use more than three different characters"
    return ""
