# The web servers of the end-to-end tests and the clients that npm has: a part of servers, which reads this file.
# shellcheck shell=bash

LIBRARY=/usr/local/lib/posthouse-e2e # what neither apt nor the tree can hold
CYRUS_ROOT=$LIBRARY/cyrus
CYRUS=/usr/lib/cyrus/bin
NPM_ROOT=$LIBRARY/npm
CYRUS_USERS=9

WEB_PACKAGES=(
	cyrus-common cyrus-caldav sasl2-bin libsasl2-modules libsasl2-modules-db
	apache2-bin media-types litmus python3-caldav
)
WEB_PROGRAMS=(
	$CYRUS/{master,httpd} $CYRUS_ROOT$CYRUS/imapd saslpasswd2 /usr/sbin/apache2 litmus
)

# ---------------------------------------------------------------- install ---

missing_web() {
	absent "${WEB_PROGRAMS[@]}"
	/usr/bin/python3 -c 'import caldav' 2>/dev/null || echo -n " python3-caldav"
}

missing_npm() { # the very lock file tells that the very versions are there
	absent node
	cmp -s "$HERE/clients/package-lock.json" $NPM_ROOT/installed.json || echo -n " npm's packages"
}

# Debian will not install Cyrus's imapd beside Dovecot's. It makes accounts' mailboxes, at their first login.
unpack_cyrus() {
	local tmp
	[ ! -x $CYRUS_ROOT$CYRUS/imapd ] || return 0
	tmp=$(mktemp -d)
	chmod 755 "$tmp"
	(cd "$tmp" && chown _apt . && apt-get download -q cyrus-imapd && dpkg-deb -x ./*.deb root) || cannot "apt-get download failed"
	mkdir -p $LIBRARY
	rm -rf $CYRUS_ROOT
	cp -a "$tmp/root" $CYRUS_ROOT
	chmod 755 $CYRUS_ROOT
	rm -rf "$tmp"
}

# Without npm, or where it reaches no registry, only the tests with its clients skip.
install_npm() {
	[ -n "$(missing_npm)" ] || return 0
	command -v npm >/dev/null || { echo "servers: no npm here: tests of its clients will skip" >&2; return 0; }
	rm -rf $NPM_ROOT
	mkdir -p $NPM_ROOT
	cp "$HERE"/clients/package{,-lock}.json $NPM_ROOT
	if (cd $NPM_ROOT && npm ci --ignore-scripts --no-audit --no-fund --loglevel error); then
		cp $NPM_ROOT/package-lock.json $NPM_ROOT/installed.json
	else
		echo "servers: npm ci failed: tests of its clients will skip" >&2
	fi
}

# --------------------------------------------------------------- instances ---

start_c() { # INSTANCE
	local d=$DIR/$1
	configuration "$1" imapd.conf >"$d/imapd.conf"
	configuration "$1" cyrus.conf >"$d/cyrus.conf"
	cyrus_store "$d/imapd.conf"
	setsid $CYRUS/master -C "$d/imapd.conf" -M "$d/cyrus.conf" -p "$d/master.pid" >>"$d/log" 2>&1 &
	echo $! >"$d/pid"
}

# The store that both share. Accounts come after the first start: that needs an imapd.
cyrus_store() { # CONFIGURATION
	local s=$DIR/cyrus n
	exec 8>"$DIR/cyrus.lock" # both start at once
	flock 8
	if [ ! -d "$s" ]; then
		mkdir -p "$s"/{conf/db,conf/socket,conf/log,spool,sieve,proc,lock}
		for n in $(seq 1 $CYRUS_USERS); do
			printf %s "$PASSWORD" | saslpasswd2 -p -c -f "$s/conf/sasldb2" -u "mail.$DOMAIN" "u$n"
		done
		chown -R cyrus:mail "$s"
	fi
	exec 8>&-
}

cyrus_accounts() { # each logs in once
	local n
	[ ! -e "$DIR/cyrus/accounts" ] || return 0
	for n in $(seq 1 $CYRUS_USERS); do
		[ "$n" = 1 ] || echo next
		printf 'url=imap://%s:1143\nuser=u%d:%s\nrequest=NOOP\n' "$(address c1)" "$n" "$PASSWORD"
	done | curl -sS --max-time 30 --fail-early -K - >/dev/null || die "Cyrus lets nobody log in"
	touch "$DIR/cyrus/accounts"
}

start_a() { # INSTANCE
	local d=$DIR/$1 n
	mkdir -p "$DIR/web/dav" "$DIR/web-locks"
	echo hello >"$DIR/web/index.html"
	for n in $(seq 1 $CYRUS_USERS); do mkdir -p "$DIR/web/dav/u$n"; done
	chown -R www-data:www-data "$DIR/web/dav" "$DIR/web-locks"
	configuration "$1" httpd.conf >"$d/httpd.conf"
	rm -f "$d/httpd.pid" # left by a kill -9, as Dovecot's
	setsid apache2 -f "$d/httpd.conf" -D FOREGROUND &
	echo $! >"$d/pid"
}
