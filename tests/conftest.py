"""Every test runs without a key, without the network and without chance."""

import ipaddress
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("treadle", deadline=None, derandomize=True)
settings.load_profile("treadle")

# What a developer's shell may hold and a test must not see: our own default model, and any provider's key or address.
_PRIVATE = re.compile(r"TREADLE_\w+|\w+_(API_KEY|ACCESS_KEY|API_TOKEN|API_BASE|BASE_URL)|(AWS|AZURE|HF|VERTEX\w*)_\w+")

# A shell starts what it puts in the background with SIGINT ignored, and so would be what tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_TOP_LEVEL_COPIES = ("compiler", "modules", "optimizers")


class NetworkForbidden(RuntimeError):
    """A test tried to reach beyond this machine. Not an OSError, so that no retry loop takes it for weather."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise NetworkForbidden(f"a test tried to connect to {address!r}; only loopback is allowed")
        return connect(self, address)

    return guarded


def _guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_loopback(host):
            raise NetworkForbidden(f"a test tried to look up {host!r}; only loopback is allowed")
        return lookup(host, *args, **kwargs)

    return guarded


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guarded_connect(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guarded_connect(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if _PRIVATE.fullmatch(name)]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_copy_of_every_module() -> Iterator[None]:
    yield
    copies = [name for name in _TOP_LEVEL_COPIES if name in sys.modules]
    assert not copies, f"imported bare, so there are two copies of every class in {copies}; import treadle.*"
