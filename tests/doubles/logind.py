"""A double for systemd-logind on the bus, by python-dbusmock: GetSessionByPID and a session's Remote.

Usage: logind.py REMOTE_FILE — a process whose number stands in REMOTE_FILE is in a remote session; all
others are in none, as `login` and greeters are.
"""
import sys

import dbus
import dbus.mainloop.glib
import dbusmock.mockobject
from gi.repository import GLib

MANAGER = "org.freedesktop.login1.Manager"
SESSION = "org.freedesktop.login1.Session"
PATH = "/org/freedesktop/login1"

LOOK_UP = f"""
numbers = open({sys.argv[1]!r}).read().split()
if str(args[0]) in numbers:
    ret = dbus.ObjectPath("{PATH}/session/remote")
else:
    raise dbus.exceptions.DBusException(
        "no session", name="org.freedesktop.login1.NoSessionForPID")
"""

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
name = dbus.service.BusName("org.freedesktop.login1", bus)
manager = dbusmock.mockobject.DBusMockObject(name, PATH, MANAGER, {})
manager.AddMethod(MANAGER, "GetSessionByPID", "u", "o", LOOK_UP)
manager.AddObject(f"{PATH}/session/remote", SESSION, {"Remote": dbus.Boolean(True), "Active": dbus.Boolean(True),
    "Seat": dbus.Struct(("seat0", dbus.ObjectPath("/org/freedesktop/login1/seat/seat0")), signature="so")}, [])
print("ready", flush=True)
GLib.MainLoop().run()
