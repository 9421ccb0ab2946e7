"""Network namespaces of our own, without root: a user namespace owns them (user_namespaces(7), network_namespaces(7)).

A namespace lives as long as a process is in it or a socket of it is open, and its devices go with it: whatever way a
program ends, the kernel leaves nothing behind.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_PR_SET_PDEATHSIG = 1
# CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN: for servers, captures, and links inside of links
_NEEDED = (10, 12, 13, 21)
_CAP_VERSION = 0x20080522

_COVERED = ("/run/lock", "/mnt", "/srv")
"""Folders of every Linux system, of which one is covered by `own_folder`: no program looks for its files there."""

_libc = ctypes.CDLL(None, use_errno=True)


class NamespacesRefused(OSError):
    """This machine does not let us have namespaces; its text says why, and what helps."""


def new_network() -> int:
    """A new network namespace, which this thread enters; its file descriptor. Raises NamespacesRefused.

    Who may not make one gets a user namespace first, in which it has the same user and group id and may. Needs a
    process with one thread.
    """
    if _libc.unshare(_CLONE_NEWNET) != 0:
        _own_users()
        _call("unshare", _CLONE_NEWNET)
    return this_network()


def run_enclosed(first: Callable[[], int]) -> int:
    """Run a function in a child process; its exit code. When that ends, or this process does, the kernel kills whatever
    the child started, too (pid_namespaces(7)). Who may not have that gets a user namespace first, as in `new_network`.
    Raises NamespacesRefused."""
    if _libc.unshare(_CLONE_NEWPID | _CLONE_NEWNS) != 0:
        _own_users()
        _call("unshare", _CLONE_NEWPID | _CLONE_NEWNS)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    end_with_parent(signal.SIGKILL)
    # So that programs inside find themselves in /proc. Where that is refused, they find the numbers from outside.
    _libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    _libc.mount(b"proc", b"/proc", b"proc", 0, None)
    os._exit(first())


class Namespaces(NamedTuple):
    """Where a host is, as file descriptors: the user namespace that owns its network, and that."""

    users: int
    network: int

    def enter(self) -> None:
        """Be there. It takes a process with one thread. Raises NamespacesRefused."""
        if os.fstat(self.users).st_ino != Path("/proc/self/ns/user").stat().st_ino:
            _call("setns", self.users, _CLONE_NEWUSER)
        if os.fstat(self.network).st_ino != Path("/proc/thread-self/ns/net").stat().st_ino:
            enter_network(self.network)


def this_users() -> int:
    """A file descriptor of the user namespace that this process is in."""
    return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def this_network() -> int:
    """A file descriptor of the network namespace that this thread is in."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter_network(namespace: int) -> None:
    """Be in a network namespace, by its file descriptor. Raises NamespacesRefused."""
    _call("setns", namespace, _CLONE_NEWNET)


def keep_rights() -> None:
    """Let the programs that this process becomes make namespaces, and see packets, as it may (ambient capabilities).

    They keep their user id, where a program started by "unshare -r" believes that it is root.
    """
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    _call("capget", header, sets)
    for number in _NEEDED:
        if sets[1] & 1 << number:  # permitted
            sets[2] |= 1 << number  # inheritable
    _call("capset", header, sets)
    for number in _NEEDED:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0)


def own_folder() -> str:
    """A folder in memory that nobody else sees, and that is gone with the last process of this enclosure. Raises
    NamespacesRefused; it is called inside of `run_enclosed`."""
    for folder in _COVERED:
        if Path(folder).is_dir():
            _call("mount", b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=256m,mode=700")
            return folder
    raise NamespacesRefused(f"none of the folders {', '.join(_COVERED)} is there")


def end_with_parent(signal_number: int) -> None:
    """Get this signal when the thread that started this process ends, even by kill -9."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def _own_users() -> None:
    user, group = os.getuid(), os.getgid()
    _call("unshare", _CLONE_NEWUSER)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            Path("/proc/self", file).write_text(text)
        except OSError as error:
            raise _refused(f"writing /proc/self/{file}", error.strerror or str(error)) from None


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise _refused(name, os.strerror(ctypes.get_errno()))


def _refused(what: str, why: str) -> NamespacesRefused:
    return NamespacesRefused(
        f"this machine refuses network namespaces to this user ({what}: {why}); they need user namespaces: "
        f"sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces above 0, on Ubuntu "
        f"kernel.apparmor_restrict_unprivileged_userns=0, in Docker --security-opt seccomp=unconfined"
    )
