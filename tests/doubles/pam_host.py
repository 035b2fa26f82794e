"""A login program of the simplest kind: it runs one PAM service a few times in this very process, and prints
what is left behind as one JSON object.

Usage: pam_host.py SERVICE USER TIMES
"""
import ctypes
import json
import os
import sys

CONVERSATION = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
libc = ctypes.CDLL(None)
libc.calloc.restype = ctypes.c_void_p
# The global scope: pam_wrapper, which is preloaded, comes before the library itself there.
pam = libc


class Conversation(ctypes.Structure):
    _fields_ = [("function", CONVERSATION), ("data", ctypes.c_void_p)]


@CONVERSATION
def answer_nothing(count, messages, responses, data):
    responses[0] = libc.calloc(count, 16)
    return 0


def left():
    """Open descriptors, threads, and the environment."""
    descriptors = sorted(os.readlink(f"/proc/self/fd/{f}").split(":")[0] for f in os.listdir("/proc/self/fd")
                         if os.path.exists(f"/proc/self/fd/{f}"))
    return [len(descriptors), len(os.listdir("/proc/self/task")), sorted(os.environ)]


def authenticate(service, user):
    handle = ctypes.c_void_p()
    conversation = Conversation(answer_nothing, None)
    started = pam.pam_start(service.encode(), user.encode(), ctypes.byref(conversation), ctypes.byref(handle))
    assert started == 0, started
    code = pam.pam_authenticate(handle, 0)
    pam.pam_end(handle, code)
    return code


service, user, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
codes = [authenticate(service, user)]
before = left()
codes += [authenticate(service, user) for _ in range(times - 1)]
print(json.dumps({"codes": codes, "before": before, "after": left()}))
