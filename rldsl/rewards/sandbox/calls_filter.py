"""Which system calls code may make: a seccomp filter, written out as instructions of the kernel's packet filter.

What is newer than this list is answered as if the kernel did not have it. Knows nothing of files: that is `landlock`.
"""

from __future__ import annotations

import ctypes
import errno
import os

from . import system

# The same number on both machines, from Linux 5.1 on.
_SHARED = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "memfd_secret": 447, "process_mrelease": 448, "statmount": 457, "listmount": 458,
}
# (x86-64, aarch64); None: the machine has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162), "acct": (163, 89),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "unshare": (272, 97), "setns": (308, 268),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "quotactl": (179, 60), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "syslog": (103, 116),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "memfd_create": (319, 279),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "inotify_init": (253, None), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
}
# What changes a file that one owns wherever it lies; Landlock does not know it.
_OF_OWNERS: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "truncate": (76, 45),
}
_FCHMODAT2 = 452
_LOOKED_AT = {  # allowed with some arguments alone
    "clone": (56, 220), "kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261), "socketpair": (53, 199),
    "fcntl": (72, 25), "ioctl": (16, 29), "prctl": (157, 167),
}
_FORKS = {"fork": (57, None), "vfork": (58, None)}
_TKILL, _CLONE3, _FIRST_UNKNOWN = (200, 130), 435, 463
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_THREAD, _NAMESPACES = 0x00010000, 0x7E020080

_LOAD, _EQUAL, _NOT_BELOW, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16

Instruction = tuple[int, int, int, int]  # code, jump if so, jump if not, constant


def install(processes: bool, owners: bool, signals: bool) -> None:
    """Hold this process to the filter for good. `processes`: it may start others; `owners`: it may change modes and times of
    files; `signals`: it may signal others than itself. `PR_SET_NO_NEW_PRIVS` is set before. Raises `OSError`."""
    program = b"".join(_packed(entry) for entry in instructions(processes, owners, signals))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // 8, ctypes.addressof(buffer))
    system.prctl(system.PR_SET_SECCOMP, 2, ctypes.addressof(header))


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def instructions(processes: bool, owners: bool, signals: bool) -> list[Instruction]:
    """The filter for this machine and this process."""
    if system.MACHINE not in _ARCHITECTURES:
        raise OSError(f"seccomp: this machine is {system.MACHINE}; x86_64 and aarch64 are known")
    side = list(_ARCHITECTURES).index(system.MACHINE)
    found = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _ARCHITECTURES[system.MACHINE]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NR)]
    if side == 0:
        found += [(_NOT_BELOW, 0, 1, _X32), _refused(errno.ENOSYS)]
    found += [(_NOT_BELOW, 0, 1, _FIRST_UNKNOWN), _refused(errno.ENOSYS), *_when(_CLONE3, [_refused(errno.ENOSYS)])]
    denied = [*_SHARED.values(), *(pair[side] for pair in _DENIED.values())]
    if not owners:
        denied += [_FCHMODAT2, *(pair[side] for pair in _OF_OWNERS.values())]
    if not processes:
        denied += [pair[side] for pair in _FORKS.values()]
    if not signals:
        denied.append(_TKILL[side])
    for number in denied:
        found += _when(number, [_refused(errno.EPERM)]) if number is not None else []
    for name, pair in _LOOKED_AT.items():
        found += _when(pair[side], _by_arguments(name, processes, signals))
    return [*found, (_RETURN, 0, 0, _ALLOW)]


def _by_arguments(name: str, processes: bool, signals: bool) -> list[Instruction]:
    """What is returned for one of `_LOOKED_AT`."""
    own = os.getpid()
    if name == "clone":
        some = [(_LOAD, 0, 0, _ARGUMENTS), (_AND, 0, 0, _NAMESPACES), (_EQUAL, 1, 0, 0), _refused(errno.EPERM)]
        thread = [(_LOAD, 0, 0, _ARGUMENTS), (_AND, 0, 0, _THREAD), (_EQUAL, 0, 1, 0), _refused(errno.EPERM)]
        return [*some, *([] if processes else thread), (_RETURN, 0, 0, _ALLOW)]
    if name in ("kill", "tgkill"):
        return [(_RETURN, 0, 0, _ALLOW)] if signals else _only(0, [own])
    if name == "prlimit64":
        return _only(0, [0, own])
    if name == "socketpair":  # a pair of streams leads nowhere else
        return [*_unless(0, [1]), (_LOAD, 0, 0, _ARGUMENTS + 8), (_AND, 0, 0, 15), (_EQUAL, 1, 0, 1), _refused(errno.EPERM),
                (_RETURN, 0, 0, _ALLOW)]
    refused = {"fcntl": [8, 10, 15], "ioctl": [0x5412, 0x8901, 0x8902], "prctl": [system.PR_SET_PDEATHSIG]}[name]
    place = 0 if name == "prctl" else 1  # signals for a descriptor's owner, typing into a terminal, outliving the parent
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * place),
            *(entry for value in refused for entry in [(_EQUAL, 0, 1, value), _refused(errno.EPERM)]), (_RETURN, 0, 0, _ALLOW)]


def _unless(argument: int, allowed: list[int]) -> list[Instruction]:
    """Refuse unless an argument is one of these; otherwise go on behind."""
    tests = [(_EQUAL, len(allowed) - index, 0, value) for index, value in enumerate(allowed)]
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), *tests, _refused(errno.EPERM)]


def _only(argument: int, allowed: list[int]) -> list[Instruction]:
    return [*_unless(argument, allowed), (_RETURN, 0, 0, _ALLOW)]


def _when(number: int, then: list[Instruction]) -> list[Instruction]:
    """The instructions for one call; all of them return."""
    return [(_EQUAL, 0, len(then), number), *then]


def _refused(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _packed(entry: Instruction) -> bytes:
    code, if_so, if_not, constant = entry
    return code.to_bytes(2, "little") + bytes((if_so, if_not)) + constant.to_bytes(4, "little")
