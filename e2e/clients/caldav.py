"""A CalDAV client's session: caldav.py BASE USER CA

Makes a calendar, puts an event into it, finds it by its time, reads it and deletes both; with Debian's python3-caldav.
Any exception is the failure: its traceback goes to standard error and the exit status is 1.
"""

import datetime
import os
import sys

sys.path.pop(0)  # or this file would be the module
import caldav

base, user, ca = sys.argv[1:4]
at = datetime.datetime(2030, 1, 2, 10)
client = caldav.DAVClient(base + "/dav/calendars/user/" + user + "/", username=user, password="secret", ssl_verify_cert=ca)
calendar = client.principal().make_calendar(name=f"py{os.getpid()}", cal_id=f"py{os.getpid()}")
event = calendar.save_event(dtstart=at, dtend=at + datetime.timedelta(hours=1), summary="from python")
found = calendar.date_search(start=at, end=at + datetime.timedelta(days=1), expand=False)
assert len(found) == 1, found
assert "SUMMARY:from python" in found[0].data, found[0].data
names = sorted(c.name or "" for c in client.principal().calendars() if not (c.name or "").startswith("py"))
event.delete()
assert not calendar.events()
calendar.delete()
print(names)
