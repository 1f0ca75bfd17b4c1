"""The kernel's calls: served machines only, and every refusal is an error with its number."""

from __future__ import annotations

import errno

import pytest

from client.isolation import kernel, landlock
from client.isolation.kernel import SandboxError

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")
_NO_SUCH_CALL = 9999


def test_a_call_that_the_kernel_refuses_is_an_error_with_its_number() -> None:
    with pytest.raises(SandboxError) as caught:
        kernel.call(_NO_SUCH_CALL, "nothing")
    assert caught.value.local.startswith("nothing: ")
    assert dict(caught.value.sentence.arguments)["number"] == errno.ENOSYS


@pytest.mark.parametrize(
    ("result", "name", "fails"),
    [(0, "seccomp", False), (7, "other", False), (7, "seccomp", True), (-1, "other", True)],
)
def test_of_seccomp_a_number_of_a_thread_is_a_failure_too(
    monkeypatch: pytest.MonkeyPatch, result: int, name: str, fails: bool
) -> None:
    class Library:
        def syscall(self, *_: object) -> int:
            return result

    monkeypatch.setattr(kernel, "libc", Library)
    if fails:
        with pytest.raises(SandboxError):
            kernel.call(1, name)
    else:
        assert kernel.call(1, name) == result


@pytest.mark.parametrize(
    ("system", "machine", "size"),
    [("linux", "riscv64", 1 << 63), ("darwin", "x86_64", 1 << 63), ("linux", "x86_64", 1 << 31)],
)
def test_another_machine_is_not_served(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, size: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("platform.machine", lambda: machine)
        patch.setattr("sys.platform", system)
        patch.setattr("sys.maxsize", size - 1)
        with pytest.raises(SandboxError) as caught:
            kernel.machine()
    assert "they need 64-bit Linux on x86_64 or aarch64" in caught.value.public
