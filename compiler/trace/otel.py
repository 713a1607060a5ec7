"""Traces as OpenTelemetry spans, by the GenAI semantic conventions; needs the extra ``otel``.

A program's run is an ``invoke_workflow`` span, an LM call in it a ``chat`` span of kind client with the ``gen_ai.*``
attributes of model, provider, tokens and finish reason; steps, ops and regions stand between them. What is no part of
the conventions is called ``treadle.*``. Texts (prompts, replies, inputs, outputs, error messages) are left out unless
``content=True``; keys are cut out of them always.

Spans are made when a run has ended, from its trace, with the times it took; nothing is sent by Treadle itself, the
tracer provider of the process decides where spans go.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from treadle.compiler.canonical import JSON
from treadle.compiler.errors import MissingExtra
from treadle.compiler.escape import line, plain
from treadle.compiler.redact import redact, redact_json
from treadle.compiler.trace.trace import Span, Trace
from treadle.compiler.trace.tracer import Recorder, Tracer, collect

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider

_log = logging.getLogger(__name__)
_SECOND = 1_000_000_000

_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What the conventions call a provider, by its prefix in a model's name; others have the same name in both."""


def send(
    traces: Iterable[Trace],
    *,
    provider: TracerProvider | None = None,
    content: bool = False,
    ended: float | None = None,
) -> None:
    """Make the spans of traces that were kept or read from a file.

    Args:
        traces: The traces.
        provider: Where spans are made; ``None`` for the process's own.
        content: With texts.
        ended: When the runs ended, in seconds since 1970; ``None`` for now, as a trace does not say.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    exporter = _Exporter(provider, content)
    for trace in traces:
        exporter.export(trace, None, time.time() if ended is None else ended)


@contextlib.contextmanager
def exporting(*, provider: TracerProvider | None = None, content: bool = False) -> Iterator[None]:
    """Make the spans of every run inside the block when it ends; no trace is kept.

    Like ``treadle.trace()`` it holds for the code inside and for threads that inherit its context. A run's span stands
    under the OpenTelemetry span that is current where the run begins.

    Args:
        provider: Where spans are made; ``None`` for the process's own.
        content: With texts.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    with collect(_Exporting(_Exporter(provider, content))):
        yield


class _Exporting(Tracer):
    """Makes spans in the place of keeping traces."""

    def __init__(self, exporter: _Exporter) -> None:
        super().__init__()
        self._exporter = exporter

    def add(self, recorder: Recorder) -> None:
        """Make the run's spans when it has ended."""
        around = self._exporter.around()
        recorder.when_finished(lambda trace: self._export(trace, around))

    def _export(self, trace: Trace, around: Context) -> None:
        try:
            self._exporter.export(trace, around, time.time())
        except Exception:  # telemetry must not fail a run
            _log.exception("the spans of a run of %r could not be made", trace.program)


class _Exporter:
    """Turns traces into spans."""

    def __init__(self, provider: TracerProvider | None, content: bool) -> None:
        try:
            from opentelemetry import context
            from opentelemetry import trace as api
        except ImportError:
            msg = 'OpenTelemetry is not installed; install the extra: pip install "treadle[otel]"'
            raise MissingExtra(msg) from None
        self._api = api
        self._context = context
        self._content = content
        self._tracer = api.get_tracer("treadle", tracer_provider=provider)

    def around(self) -> Context:
        """Where the code stands now."""
        return self._context.get_current()

    def export(self, trace: Trace, around: Context | None, ended: float) -> None:
        """Make the spans of one run that ended at ``ended``."""
        began = round(ended * _SECOND) - round(trace.spans[0].seconds * _SECOND) if trace.spans else 0
        opened: list[Any] = []
        for span in trace.spans:
            parent = around if span.parent is None else self._api.set_span_in_context(opened[span.parent])
            opened.append(self._open(span, parent, began))
        for span, made in zip(reversed(trace.spans), reversed(opened), strict=True):
            made.end(end_time=_at(began, span.started + span.seconds))

    def _open(self, span: Span, parent: Context | None, began: int) -> Any:
        kinds = self._api.SpanKind
        made = self._tracer.start_span(
            name_of(span),
            context=parent,
            kind=kinds.CLIENT if span.kind == "lm" else kinds.INTERNAL,
            attributes=attributes_of(span, content=self._content),
            start_time=_at(began, span.started),
        )
        if span.error:
            said = plain(redact(span.error)) if self._content else None
            made.set_status(self._api.Status(self._api.StatusCode.ERROR, said))
        return made


def _at(began: int, seconds: float) -> int:
    return began + round(seconds * _SECOND)


def name_of(span: Span) -> str:
    """The span's name by the conventions: few different ones, none with a user's data in it."""
    match span.kind:
        case "program":
            return f"invoke_workflow {_name(span.name)}"
        case "lm":
            return f"chat {_name(span.asked or span.model)}"
        case _:
            return f"{span.kind} {_name(span.name)}"


def _name(text: str) -> str:
    return line(redact(text), 200)


def attributes_of(span: Span, *, content: bool) -> dict[str, Any]:
    """The span's attributes: texts, whole numbers, numbers, and lists of texts; ``content``: with the user's texts."""
    found: dict[str, Any] = {"treadle.kind": span.kind, "treadle.cached": span.cached or None}
    found["treadle.predictor"] = _name(span.predictor)
    found["treadle.indices"] = [str(index) for index in span.indices]
    found["treadle.taken"] = None if span.taken is None else str(span.taken)
    found["error.type"] = _name(span.error.partition(":")[0])
    if span.kind == "program":
        found |= {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": _name(span.name)}
    elif span.kind == "lm":
        found |= _of_call(span)
    if content:
        found |= _content(span)
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _of_call(span: Span) -> dict[str, Any]:
    usage = span.usage
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider_of(span.asked),
        "gen_ai.request.model": _name(span.asked),
        "gen_ai.response.model": _name(span.model) if span.reply or span.finish_reason else None,
        "gen_ai.response.finish_reasons": [_name(span.finish_reason)] if span.finish_reason else None,
        "gen_ai.usage.input_tokens": None if usage is None else usage.input_tokens,
        "gen_ai.usage.output_tokens": None if usage is None else usage.output_tokens,
        "treadle.cost_usd": span.cost,
        "treadle.repairs": [_name(repair) for repair in span.repairs],
        "treadle.parameters": [_name(address) for address in span.parameters],
    }


def provider_of(model: str) -> str:
    """The provider of a model by the conventions: from its prefix, ``_OTHER`` where it has none.

    >>> provider_of("openai/gpt-4o-mini"), provider_of("bedrock/claude"), provider_of("qwen")
    ('openai', 'aws.bedrock', '_OTHER')
    """
    prefix, slash, _ = model.partition("/")
    return _PROVIDERS.get(prefix, _name(prefix)) if slash and prefix else "_OTHER"


def _content(span: Span) -> dict[str, Any]:
    if span.kind != "lm":
        return {"treadle.inputs": _json(dict(span.inputs)), "treadle.output": _json(span.output)}
    sent: list[JSON] = [
        {"role": message.role, "parts": [{"type": "text", "content": message.content}]} for message in span.messages
    ]
    said: list[JSON] = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": span.reply}],
            "finish_reason": span.finish_reason or "error",
        }
    ]
    return {
        "gen_ai.input.messages": _json(sent),
        "gen_ai.output.messages": _json(said) if span.reply else None,
    }


def _json(value: JSON) -> str:
    """ASCII: an exporter must be able to encode it, whatever a model said."""
    return json.dumps(redact_json(value), ensure_ascii=True, default=str)
