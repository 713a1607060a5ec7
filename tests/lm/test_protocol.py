from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.compiler.canonical import digest
from treadle.compiler.lm.protocol import Message, Request, _canonical_message

_ROLES = st.sampled_from(["system", "user", "assistant"])
_REQUESTS = st.builds(
    Request,
    model=st.text(),
    endpoint=st.text(),
    messages=st.lists(st.builds(Message, _ROLES, st.text())).map(tuple),
    schema=st.none() | st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.integers(1, 10_000),
    sample=st.text(),
)


@given(_REQUESTS)
def test_the_key_is_the_hash_of_the_request_as_data(request: Request) -> None:
    assert request.key == digest(request.to_json(), length=32)


def test_what_requests_share_is_written_once() -> None:
    shared = tuple(Message("system" if number == 0 else "user", f"shared {number}") for number in range(9))
    _canonical_message.cache_clear()
    keys = {Request(model="m", messages=(*shared, Message("user", str(n))), max_tokens=9).key for n in range(20)}
    assert len(keys) == 20
    assert _canonical_message.cache_info().misses == 9 + 20
