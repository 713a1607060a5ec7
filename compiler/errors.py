"""Every exception Treadle raises on purpose, in one tree.

The tree says whose fault it was and so what to do about it::

    TreadleError
    ├── DeclarationError (TypeError)      the program text is wrong: change the code
    │   ├── SignatureError                a predictor's names, types or docstring
    │   ├── CaptureError                  a program that must be a graph is not one; lists the reasons
    │   └── GraphError                    a graph or a rewrite breaks a numbered rule
    ├── InputError (TypeError)            a call or a row does not fit the declared inputs
    ├── DataError (ValueError)            a dataset, field map or metric does not fit the program
    ├── ConfigurationError (ValueError)   no LM, no key, no price, no such option: change the settings
    │   └── MissingExtra (ImportError)    an optional dependency is not installed
    ├── LMError (RuntimeError)            the provider's side
    │   ├── TransientLMError              worth another attempt: retried, then raised
    │   │   ├── RateLimited               429
    │   │   ├── ServerFault               500, 502, 503, 529
    │   │   ├── LMTimeout                 no answer in time; may have been billed
    │   │   ├── ConnectionLost            dropped or refused; may have been billed
    │   │   └── ProviderGarbage           a 200 that is not a completion
    │   └── DefinitiveLMError             the same request will fail again: never retried
    │       ├── AuthenticationFailed      401, 403
    │       ├── RequestRefused            400, 404, content filter
    │       │   └── ContextTooLong        the prompt does not fit the model
    │       └── ReplyTruncated            cut by max_tokens
    ├── ReplyError (ValueError)           the reply does not fit the signature, also after the re-ask
    ├── CodeError (RuntimeError)          generated code raised, broke its limits, or gave what JSON cannot hold
    │   └── CodeRefused                   it is not run at all: another signature, an import that is not allowed
    ├── ArtifactError (ValueError)        a file that is corrupt, hostile, from the future or for another program
    └── StudyError (RuntimeError)         a search stopped; what it paid for is kept
        ├── BudgetExhausted               the next call does not fit under the cap
        ├── ReplayDiverged                the rerun asked for something else than the first run
        ├── StudyLocked                   another process holds the folder
        └── EverythingFailed              not one example could be scored
"""

from __future__ import annotations

from collections.abc import Sequence


class TreadleError(Exception):
    """Base of every error Treadle raises on purpose."""


class DeclarationError(TreadleError, TypeError):
    """A predictor, op or program is declared wrongly."""


class SignatureError(DeclarationError):
    """A predictor's fields, types or docstring cannot make a signature."""


class CaptureError(DeclarationError):
    """A program that was required to be a graph runs in host mode.

    Attributes:
        reasons: One line per construct that hides control or shares state, with its source line.
    """

    def __init__(self, message: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class GraphError(DeclarationError):
    """A graph, or a rewrite of one, breaks a rule.

    Attributes:
        rule: Number of the rule in ``graph/check.py``; 0 where no rule applies.
    """

    def __init__(self, message: str, rule: int = 0) -> None:
        super().__init__(message)
        self.rule = rule


class InputError(TreadleError, TypeError):
    """A call or a data row does not fit the inputs a program or step declares."""


class DataError(TreadleError, ValueError):
    """A dataset, a field map or a metric's result cannot be used."""


class ConfigurationError(TreadleError, ValueError):
    """A setting is missing or impossible: no LM, no key, no price, unknown option."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is needed and not installed; the message names the extra."""


class LMError(TreadleError, RuntimeError):
    """A language model call failed on the provider's side.

    Attributes:
        attempts: One line per attempt made, oldest first.
        billed: Whether the provider may have charged for the call.
    """

    def __init__(self, message: str, *, attempts: Sequence[str] = (), billed: bool = False) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)
        self.billed = billed


class TransientLMError(LMError):
    """The same request may succeed later: it is retried, and stops a study when retries run out.

    Attributes:
        retry_after: Seconds the provider asked to wait, or ``None``.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, attempts: Sequence[str] = (), billed: bool = False
    ) -> None:
        super().__init__(message, attempts=attempts, billed=billed)
        self.retry_after = retry_after


class RateLimited(TransientLMError):
    """The provider answered 429."""


class ServerFault(TransientLMError):
    """The provider answered 500, 502, 503 or 529."""


class LMTimeout(TransientLMError):
    """No answer within the time allowed; the call may have been billed."""


class ConnectionLost(TransientLMError):
    """The connection was refused or dropped; the call may have been billed."""


class ProviderGarbage(TransientLMError):
    """The provider answered 200 with something that is not a completion."""


class DefinitiveLMError(LMError):
    """The same request will fail again: never retried, and stored as this call's result."""


class AuthenticationFailed(DefinitiveLMError):
    """The provider refused the key (401, 403). Stops a run at once."""


class RequestRefused(DefinitiveLMError):
    """The provider refused the request (400, 404, content filter)."""


class ContextTooLong(RequestRefused):
    """The prompt does not fit the model's context."""


class ReplyTruncated(DefinitiveLMError):
    """The reply was cut by ``max_tokens``; a cut reply is never used."""


class ReplyError(TreadleError, ValueError):
    """A reply does not fit the step's signature, also after the one re-ask.

    Attributes:
        reply: The last reply's text, at most 2,000 characters.
    """

    def __init__(self, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply[:2000]


class CodeError(TreadleError, RuntimeError):
    """Generated code raised, broke its limits, or returned what JSON cannot hold.

    Attributes:
        where: The code with the line that raised marked; empty where no line is to blame.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class CodeRefused(CodeError):
    """Generated code is not run at all; the message names the rule and the line."""


class ArtifactError(TreadleError, ValueError):
    """A program file cannot be loaded; nothing was changed.

    Attributes:
        path: JSON path of the offending value, such as ``$.parameters[2].value``; empty where none applies.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class StudyError(TreadleError, RuntimeError):
    """A study stopped. What it has paid for is stored; the message says how to go on."""


class BudgetExhausted(StudyError):
    """The next call's worst case does not fit under the cap."""


class ReplayDiverged(StudyError):
    """A rerun asked for something else than the stored run; names the first difference."""


class StudyLocked(StudyError):
    """Another process holds the study folder; names its pid and host."""


class EverythingFailed(StudyError):
    """No example could be scored: every run or metric failed."""
