"""What holds a process that runs code: limits, files, system calls, namespaces. Raises `Refused` where the system says no.

`isolate: process` is limits, Landlock and the filter of system calls; `namespace` is namespaces, limits and that filter.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Optional

from . import calls_filter, landlock, system

SYSTEM_TREES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
BOX = "/box"
_PLACES = ("/tmp", "/mnt", "/media", "/srv", "/opt")
_OTHER_USER = 1_789_000_000
_MOST_FILES = 4096
_FILES_OF_A_FILE_SYSTEM = "nr_inodes"


class Refused(Exception):
    """The system does not allow what a level of isolation needs; the message says what."""


def limit(limits: Mapping[str, Any], processes: bool) -> None:
    """Memory, time of the processor, size of a file, open files; and the number of processes where there may be some."""
    wanted = {
        resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: int(limits["memory"]), resource.RLIMIT_CPU: int(limits["cpu"]),
        resource.RLIMIT_FSIZE: int(limits["disk"]), resource.RLIMIT_NOFILE: int(limits["files"]),
    }
    if processes:  # the keeper and what waits for this process are counted with it
        wanted[resource.RLIMIT_NPROC] = int(limits["processes"]) + 2
    for what, asked in wanted.items():
        _, hard = resource.getrlimit(what)
        most = asked if hard == resource.RLIM_INFINITY else min(asked, hard)
        resource.setrlimit(what, (most, most))


def hold_process(readable: Sequence[str], folder: str) -> None:
    """`isolate: process`, for this process and for good. Its folder is the one place where it can write."""
    try:
        system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
        found = landlock.hold([*readable, "/dev/zero", "/dev/random", "/dev/urandom"], [folder, "/dev/null"])
    except OSError as fault:
        raise Refused(f"Landlock is not available ({fault}): nothing would keep code from the files of its user") from None
    try:
        if os.geteuid() == 0:
            system.drop_capabilities()
        calls_filter.install(processes=False, owners=False, signals=False)
    except OSError as fault:
        raise Refused(f"seccomp is not available ({fault}): nothing would keep code from the network") from None
    assert found


def hold_in_namespace(processes: bool) -> None:
    """The last of `isolate: namespace`, for a process that stands in its namespaces."""
    try:
        system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
        system.drop_capabilities()
        calls_filter.install(processes=processes, owners=True, signals=True)
    except OSError as fault:
        raise Refused(f"seccomp is not available ({fault})") from None


def hold_in_container(processes: bool) -> None:
    """The filter of system calls inside a container, where there is one to be had: the container is the wall."""
    with suppress(OSError):
        system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
        calls_filter.install(processes=processes, owners=True, signals=processes)


# ------------------------------------------------------------------ namespaces
def enter_namespaces(readable: Sequence[str], as_nobody: bool = True) -> None:
    """Namespaces of user, mounts, network and System V for this process, and a root that nobody can write, with `readable`
    alone in it and an empty /box. `as_nobody`: root becomes a user that owns nothing."""
    apart = system.CLONE_NEWUSER | system.CLONE_NEWNET | system.CLONE_NEWIPC | system.CLONE_NEWUTS
    try:
        own = os.open("/proc/self", os.O_PATH)
        if os.geteuid() == 0:  # it can show what the user that it becomes could not reach
            system.unshare(system.CLONE_NEWNS)
            _new_root(readable)
            user, group = _become_nobody() if as_nobody else (0, 0)
            system.unshare(apart)
            _map_user(own, user, group)
        else:
            user, group = os.geteuid(), os.getegid()
            system.unshare(apart | system.CLONE_NEWNS)
            _map_user(own, user, group)
            _new_root(readable)
        os.close(own)
    except OSError as fault:
        raise Refused(f"namespaces are not available ({fault}); a kernel setting such as kernel.unprivileged_userns_clone, "
                      "kernel.apparmor_restrict_unprivileged_userns or user.max_user_namespaces, or the container around, "
                      "forbids them") from None


class _Shown:
    """A tree or file of the old root, held open so that it can be shown in the new one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.link = os.readlink(path) if os.path.islink(path) else None
        self.is_folder = os.path.isdir(path)
        self.handle = os.open(path, os.O_PATH)


def _become_nobody() -> tuple[int, int]:
    """Root becomes a user that owns nothing, whom limits of processes hold. Which user and group this then is."""
    for other in (_OTHER_USER + os.getpid(), 65534):
        try:
            os.setgroups([])
            os.setresgid(other, other, other)
            os.setresuid(other, other, other)
        except OSError as fault:
            refused = OSError(fault.errno, f"root cannot become user {other}: {fault.strerror}")
        else:
            system.prctl(system.PR_SET_DUMPABLE, 1)
            return other, other
    raise refused


def _map_user(own: int, user: int, group: int) -> None:
    """Let the user be user 1000 in the new namespace. `own` is this process in /proc."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {user} 1"), ("gid_map", f"1000 {group} 1")):
        file = os.open(name, os.O_WRONLY, dir_fd=own)
        os.write(file, text.encode())
        os.close(file)


def _outermost(paths: Sequence[str]) -> list[str]:
    """Without those that lie below another."""
    found: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths}):
        if not any(path.startswith(above + "/") and not os.path.islink(above) for above in found):
            found.append(path)
    return found


def _place_of_root(shown: Sequence[str]) -> str:
    """A folder that the new root may lie over: it is not shown, nor below what is, which would be shown with that root on it."""
    for place in (*_PLACES, tempfile.gettempdir()):
        if os.path.isdir(place) and not any(place == path or place.startswith(path.rstrip("/") + "/") for path in shown):
            return place
    raise Refused(f"no folder is left for a root of its own: {', '.join(_PLACES)} are all to be read")


def _new_root(readable: Sequence[str]) -> None:
    shown = [_Shown(path) for path in (*_outermost(readable), *DEVICES) if os.path.exists(path)]
    system.mount("none", "/", "none", system.MS_REC | system.MS_PRIVATE)
    root = _place_of_root([entry.path for entry in shown])
    system.mount("box", root, "tmpfs", system.MS_NOSUID | system.MS_NODEV, "size=1m,mode=755")
    os.mkdir(root + BOX)
    for entry in shown:
        _show(root + entry.path, entry)
    if not os.path.lexists(root + "/tmp"):
        os.symlink(BOX, root + "/tmp")
    os.makedirs(root + "/etc", exist_ok=True)
    with open(root + "/etc/passwd", "w") as file:
        file.write(f"box:x:1000:1000::{BOX}:/bin/sh\n")
    system.pivot_root(root)
    system.make_read_only("/")


def _show(target: str, entry: _Shown) -> None:
    """Bind what was held open at a place of the new root; a link is made again."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if entry.link is not None:
        os.symlink(entry.link, target)
    else:
        if entry.is_folder:
            os.makedirs(target, exist_ok=True)
        else:
            open(target, "w").close()
        system.mount(f"/proc/self/fd/{entry.handle}", target, "none", system.MS_BIND | system.MS_REC)
    os.close(entry.handle)


def fork_as_first() -> Optional[int]:
    """A child that is the first of a namespace of processes, with a private /box: None in it, else its number for whoever
    waits."""
    ready, go = os.pipe()
    system.unshare(system.CLONE_NEWPID | system.CLONE_NEWNS | system.CLONE_NEWIPC)
    child = os.fork()
    if child:
        os.close(ready)
        os.write(go, b"!")
        os.close(go)
        return child
    os.close(go)
    system.prctl(system.PR_SET_PDEATHSIG, 9)
    if not os.read(ready, 1):  # whoever waits is gone already
        os._exit(1)
    os.close(ready)
    return None


def mount_folder(size: int) -> str:
    """A private file system of this size as the folder of this process."""
    options = f"size={size},{_FILES_OF_A_FILE_SYSTEM}={_MOST_FILES},mode=700"
    system.mount("folder", BOX, "tmpfs", system.MS_NOSUID | system.MS_NODEV, options)
    return BOX


# ------------------------------------------------------------------ folders on disk
def make_folder(base: str) -> str:
    """A private folder."""
    return tempfile.mkdtemp(prefix="box-", dir=base)


def is_overfull(folder: str, most: int) -> bool:
    """Whether a folder holds more bytes, or more files, than it may."""
    size = count = 0
    for place, _, files in os.walk(folder):
        count += 1 + len(files)
        for file in files:
            try:
                size += os.lstat(os.path.join(place, file)).st_blocks * 512
            except OSError:
                continue
        if size > most or count > _MOST_FILES:
            return True
    return False


def remove_folder(folder: str) -> None:
    """Take a folder away, whatever its modes are."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(folder):
        for place, folders, _ in os.walk(folder):
            for name in folders:
                path = os.path.join(place, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
