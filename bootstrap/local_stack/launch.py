"""Become the process to run: give up root, ask to be ended with the parent, then `exec`.

Run as a script with nothing but the standard library, because the ways to do this between fork and exec are not safe
in a process that has threads:

    python -I -S launch.py PARENT_PID SIGNAL UID GID REACH COMMAND...

UID 0 keeps the caller's user. With REACH 1 the process keeps the one capability that lets it look past directories
closed to it, as when an installation lies in root's own home.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
PARENT_GONE = 71
"""Exit code (EX_OSERR) when the parent ended before this process could ask to be ended with it."""


class CapabilityHeader(ctypes.Structure):
    """`struct __user_cap_header_struct`, see capset(2)."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySet(ctypes.Structure):
    """`struct __user_cap_data_struct`, see capset(2)."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def keep_capability(libc: ctypes.CDLL) -> None:
    """Carry the least capability that opens closed directories over the coming `exec`; needs Linux 4.3."""
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (CapabilitySet * 2)()
    libc.capget(ctypes.byref(header), sets)
    capability = CAP_DAC_READ_SEARCH if sets[0].permitted & 1 << CAP_DAC_READ_SEARCH else CAP_DAC_OVERRIDE
    mask = 1 << capability
    if not sets[0].permitted & mask:
        sys.exit("this user may not look into the installation's directories")
    only = (CapabilitySet * 2)(CapabilitySet(mask, mask, mask), CapabilitySet(0, 0, 0))
    if libc.capset(ctypes.byref(header), only) or libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0):
        sys.exit("could not keep the capability to look into the installation's directories")


def main() -> None:
    """Carry out the command line described above; returns only by ending the process."""
    parent_pid, signal_number, uid, gid, reach = (int(argument) for argument in sys.argv[1:6])
    command = sys.argv[6:]
    linux = sys.platform == "linux"
    if uid:
        os.setgroups([])
        os.setgid(gid)
        if reach and linux:
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setuid(uid)
            keep_capability(libc)
        else:
            os.setuid(uid)
    if signal_number and linux:
        # After setuid, which clears it; and the parent may have ended before this call.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit(PARENT_GONE)
    os.execv(command[0], command)  # noqa: S606 - there is no shell to want: the caller names every word


if __name__ == "__main__":
    main()
