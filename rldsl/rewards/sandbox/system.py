"""The system calls that Python has no function for, on Linux (x86-64, aarch64). Each raises `OSError` where it is refused."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP = 1, 4, 24, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 38, 47, 4
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 2, 4, 4096, 16384, 1 << 18, 2
_MOUNT_ATTR_RDONLY, _AT_RECURSIVE, _AT_FDCWD = 1, 0x8000, -100

IS_LINUX = sys.platform == "linux"
MACHINE = platform.machine()
_NUMBERS = {"x86_64": {"pivot_root": 155, "capset": 126}, "aarch64": {"pivot_root": 41, "capset": 91}}
_MOUNT_SETATTR = 442
_LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, first: int = 0, second: int = 0) -> None:
    """`prctl(2)`."""
    _check(_LIBC.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl")


def call(name: str, number: int, *arguments: object) -> int:
    """A system call by its number; `name` is for the message."""
    return _check(_LIBC.syscall(ctypes.c_long(number), *arguments), name)


def number_of(name: str) -> int:
    """The number of a call that differs between machines."""
    if MACHINE not in _NUMBERS:
        raise OSError(f"{name}: this machine is {MACHINE}; x86_64 and aarch64 are known")
    return _NUMBERS[MACHINE][name]


def unshare(flags: int) -> None:
    """`unshare(2)`."""
    _check(_LIBC.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """`mount(2)`."""
    done = _LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(done, f"mount {target}")


def make_read_only(target: str, recursive: bool = True) -> None:
    """A mount, and those below it, without writing (Linux 5.12 or newer)."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if recursive else 0)
    call("mount_setattr", _MOUNT_SETATTR, ctypes.c_int(_AT_FDCWD), target.encode(), flags, attributes, ctypes.c_size_t(32))


def pivot_root(folder: str) -> None:
    """Make a mounted folder the root, and let the old one go."""
    os.chdir(folder)
    call("pivot_root", number_of("pivot_root"), b".", b".")
    _check(_LIBC.umount2(b".", ctypes.c_int(MNT_DETACH)), "umount2")
    os.chdir("/")


def drop_capabilities() -> None:
    """None left, and none to be had again."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # beyond the last one, or not held
            continue
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call("capset", number_of("capset"), header, (ctypes.c_uint32 * 6)())


def _check(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
