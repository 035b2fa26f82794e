"""A polkit authentication agent for tests: it answers every request of one user's session at once, as if
the right password had been typed, and prints each action that it answered.

Usage: agent.py UID SESSION — run by root: it registers as that user, and answers as root, as polkit's own
set-uid helper does.
"""
import os
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

AUTHORITY = "org.freedesktop.PolicyKit1"
INTERFACE = "org.freedesktop.PolicyKit1.Authority"
PATH = "/org/vultus/test/agent"
UID, SESSION = int(sys.argv[1]), sys.argv[2]


class Agent(dbus.service.Object):
    @dbus.service.method(
        "org.freedesktop.PolicyKit1.AuthenticationAgent", in_signature="sssa{ss}sa(sa{sv})", out_signature="")
    def BeginAuthentication(self, action, message, icon, details, cookie, identities):
        print(action, flush=True)
        authority.AuthenticationAgentResponse2(dbus.UInt32(UID), cookie, identities[0], dbus_interface=INTERFACE)

    @dbus.service.method("org.freedesktop.PolicyKit1.AuthenticationAgent", in_signature="s", out_signature="")
    def CancelAuthentication(self, cookie):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
authority = dbus.bus.BusConnection(address).get_object(AUTHORITY, "/org/freedesktop/PolicyKit1/Authority")
os.seteuid(UID)
own = dbus.bus.BusConnection(address)
subject = ("unix-session", dbus.Dictionary({"session-id": dbus.String(SESSION, variant_level=1)}, signature="sv"))
agent = Agent(own, PATH)
own.get_object(AUTHORITY, "/org/freedesktop/PolicyKit1/Authority").RegisterAuthenticationAgent(
    subject, "C", PATH, dbus_interface=INTERFACE)
os.seteuid(0)
print("ready", flush=True)
GLib.MainLoop().run()
