"""The one retry loop. It stands above every provider: providers make one attempt and never retry.

What is retried is decided by the class of the error, not by its text: a ``TransientLMError`` is, ``ProviderGarbage``
once, a ``DefinitiveLMError`` never, and anything else is a bug that passes through. Waits follow ``Retry-After``, else
"full jitter" (Brooker, "Exponential Backoff and Jitter", AWS 2015), drawn from the request so that a rerun waits alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from treadle.compiler.errors import ConfigurationError, LMError, ProviderGarbage, RateLimited, TransientLMError
from treadle.compiler.lm.clock import SYSTEM, Clock
from treadle.compiler.lm.protocol import Completion, Request
from treadle.compiler.redact import redact

if TYPE_CHECKING:
    from treadle.compiler.lm.limits import Limiter
    from treadle.compiler.lm.lm import LM

BeforeAttempt: TypeAlias = Callable[[int], "Awaitable[None] | None"]
"""Called with the attempt's number, from 1, when it is about to be sent. What it raises ends the call."""

AfterAttempt: TypeAlias = Callable[[int, "Completion | BaseException"], "Awaitable[None] | None"]
"""Called with the attempt's number and what came of it: a completion, the error, or the cancellation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How hard to try.

    Attributes:
        attempts: Attempts at most, the first included.
        garbage_attempts: Attempts at most that may be answered with what is not a completion.
        deadline: Seconds for all attempts and waits together. Waiting for a place under the LM's limits does not count.
        shortest_wait: Upper end of the first backoff, in seconds; it doubles with every attempt.
        longest_wait: Upper end of any backoff, in seconds; ``Retry-After`` may ask for more.
    """

    attempts: int = 6
    garbage_attempts: int = 2
    deadline: float = 900.0
    shortest_wait: float = 0.5
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.garbage_attempts < 1:
            raise ConfigurationError(f"a retry policy needs at least one attempt, not {self}")
        if not (self.deadline > 0 and 0 <= self.shortest_wait <= self.longest_wait):
            raise ConfigurationError(
                f"a retry policy needs deadline > 0 and 0 <= shortest_wait <= longest_wait: {self}"
            )

    def wait(self, request: Request, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after the failed attempt with this number, from 1. The same for the same request.

        With ``Retry-After`` it is that and up to one ``shortest_wait`` more, so that not all come back at once.
        """
        from random import Random

        chance = Random(f"{request.key} {attempt}").random()
        if retry_after is not None:
            return retry_after + chance * self.shortest_wait
        return chance * min(self.longest_wait, self.shortest_wait * 2.0 ** (attempt - 1))


DEFAULT_POLICY = RetryPolicy()
"""The policy used where none is given."""


def call(
    lm: LM,
    request: Request,
    *,
    policy: RetryPolicy = DEFAULT_POLICY,
    clock: Clock = SYSTEM,
    limiter: Limiter | None = None,
    before_attempt: BeforeAttempt | None = None,
    after_attempt: AfterAttempt | None = None,
) -> Coroutine[Any, Any, Completion]:
    """The completion of ``request`` by ``lm``, to be awaited: within the LM's limits, retried where that may help.

    Each attempt first gets its place under the limits, then ``before_attempt`` is called (a study reserves budget
    there), then it is sent, then ``after_attempt`` is called; waits between attempts hold no place. An attempt is cut
    at the LM's ``timeout`` or at the deadline, whichever is first.

    Args:
        lm: Who is asked.
        request: What is asked.
        policy: How hard to try.
        clock: What waits are measured by.
        limiter: Limits instead of the LM's own.
        before_attempt: See ``BeforeAttempt``.
        after_attempt: See ``AfterAttempt``. It is also called when the attempt is cancelled.

    Raises:
        LMError: All attempts failed, or one failed for good; ``attempts`` tells each.
    """
    return _Call(lm, request, policy, clock, limiter, before_attempt, after_attempt).run()


class _Call:
    """One call on its way through its attempts."""

    def __init__(
        self,
        lm: LM,
        request: Request,
        policy: RetryPolicy,
        clock: Clock,
        limiter: Limiter | None,
        before: BeforeAttempt | None,
        after: AfterAttempt | None,
    ) -> None:
        self._lm = lm
        self._request = request
        self._policy = policy
        self._clock = clock
        self._limiter = limiter
        self._before = before
        self._after = after
        self._failures: tuple[LMError, ...] = ()
        self._history: tuple[str, ...] = ()
        self._first_sent: float | None = None

    async def run(self) -> Completion:
        """Attempt after attempt, until one succeeds or no more may be made."""
        while True:
            outcome = await self._attempt(len(self._failures) + 1)
            if not isinstance(outcome, LMError):
                return outcome
            self._failures = (*self._failures, outcome)
            told = redact(f"attempt {len(self._failures)}: {type(outcome).__name__}: {outcome}")
            self._history = (*self._history, told)
            wait = self._wait_after(outcome)
            if wait is None:
                raise self._final(outcome)
            self._history = (*self._history[:-1], f"{told} (waited {wait:.2f} s)")
            await self._clock.sleep(wait)

    async def _attempt(self, number: int) -> Completion | LMError:
        limiter, used = self._limiter or self._lm.limiter(), None
        tokens = self._lm.expected_tokens(self._request) if limiter.counts_tokens else 0
        permit = await limiter.acquire(self._clock, tokens)
        outcome: Completion | LMError | None = None
        try:
            if self._before is not None and (pending := self._before(number)) is not None:
                await pending
            outcome = await self._send(number)
            if isinstance(outcome, Completion) and outcome.usage is not None:
                used = outcome.usage.input_tokens + outcome.usage.output_tokens
        finally:
            limiter.release(permit, self._clock, limited=isinstance(outcome, RateLimited), used=used)
        return outcome

    async def _send(self, number: int) -> Completion | LMError:
        outcome: Completion | BaseException | None = None
        try:
            outcome = await self._lm.complete(self._request, timeout=self._seconds_left())
        except LMError as error:
            outcome = error
        except BaseException as error:  # cancelled, or a bug: the books must hear of it, and it goes on
            outcome = error
            raise
        finally:
            if (
                self._after is not None
                and outcome is not None
                and (pending := self._after(number, outcome)) is not None
            ):
                await pending
        return outcome

    def _seconds_left(self) -> float | None:
        """Seconds until the deadline, where that comes before the LM's own timeout."""
        now = self._clock.monotonic()
        if self._first_sent is None:
            self._first_sent = now
        left = self._first_sent + self._policy.deadline - now
        return max(left, 0.0) if left < self._lm.timeout else None

    def _wait_after(self, error: LMError) -> float | None:
        """Seconds to wait before the next attempt; ``None`` where there must be none."""
        policy, made = self._policy, len(self._failures)
        if not isinstance(error, TransientLMError) or made >= policy.attempts:
            return None
        if isinstance(error, ProviderGarbage):
            garbage = sum(isinstance(failure, ProviderGarbage) for failure in self._failures)
            if garbage >= policy.garbage_attempts:
                return None
        wait = policy.wait(self._request, made, error.retry_after)
        if self._first_sent is not None and self._clock.monotonic() + wait >= self._first_sent + policy.deadline:
            given_up = f"gave up: a wait of {wait:.2f} s would pass the deadline of {policy.deadline:g} s"
            self._history = (*self._history, given_up)
            return None
        return wait

    def _final(self, error: LMError) -> LMError:
        """The error the caller sees: the last one, with what came before."""
        error.attempts = self._history
        error.billed = any(failure.billed for failure in self._failures)
        if len(self._history) > 1:
            error.add_note("\n".join(self._history))
        return error


async def direct(lm: LM, request: Request) -> Completion:
    """The caller of plain runs: the LM's limits and the default retries, nothing stored.

    Raises:
        LMError: All attempts failed, or one failed for good.
    """
    return await call(lm, request)
