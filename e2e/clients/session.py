"""One session of Python's own mail clients: session.py PROTOCOL TLS HOST PORT SOURCE USER CA

PROTOCOL is imap, pop3 or smtp; TLS is plain, starttls or implicit; SOURCE is the address to connect from.
IMAP appends a message and reads it back, POP3 counts, SMTP sends one mail to sink@discard.test.
Any exception is the failure: its traceback goes to standard error and the exit status is 1.
"""

import imaplib
import poplib
import smtplib
import socket
import ssl
import sys

protocol, tls, host, port, source, user, ca = sys.argv[1:8]
port = int(port)
context = ssl.create_default_context(cafile=ca)
MESSAGE = b"From: e2e@example.test\r\nSubject: appended\r\n\r\n.a dot first\r\n..two\r\n"

# imaplib and poplib cannot be told which address to connect from.
connect = socket.create_connection


def connect_from(address, timeout=10, source_address=None, **rest):
    return connect(address, 10, (source, 0), **rest)


socket.create_connection = connect_from


def imap():
    if tls == "implicit":
        c = imaplib.IMAP4_SSL(host, port, ssl_context=context)
    else:
        c = imaplib.IMAP4(host, port)
    if tls == "starttls":
        c.starttls(context)
    c.login(user, "secret")
    c.append("INBOX", None, None, MESSAGE)
    _, (count,) = c.select("INBOX")
    _, answer = c.fetch(count, "(BODY.PEEK[])")
    assert answer[0][1] == MESSAGE, answer
    c.logout()


def pop3():
    if tls == "implicit":
        c = poplib.POP3_SSL(host, port, context=context)
    else:
        c = poplib.POP3(host, port)
    if tls == "starttls":
        c.stls(context)
    c.user(user)
    c.pass_("secret")
    count, _ = c.stat()
    assert count == len(c.list()[1])
    c.quit()


def smtp():
    if tls == "implicit":
        c = smtplib.SMTP_SSL(host, port, context=context)
    else:
        c = smtplib.SMTP(host, port)
    if tls == "starttls":
        c.starttls(context=context)
    c.ehlo()
    if c.has_extn("auth"):
        c.login(user, "secret")
    c.sendmail(user + "@example.test", ["sink@discard.test"], MESSAGE)
    c.quit()


{"imap": imap, "pop3": pop3, "smtp": smtp}[protocol]()
