//go:build linux

package main

// zoneFile is what gdnsd and Knot read; %s is the line for the name that is answered by region.
const zoneFile = `$ORIGIN mail.example.org.
$TTL 60
@ SOA ns1 hostmaster 2026 3600 600 604800 60
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
text TXT "v=spf1 mx -all"
static A 192.0.2.99
%s
`

// knotNear is mod-geoip's answers by continent.
const knotNear = `imap.mail.example.org:
  - geo: "EU"
    A: [192.0.2.10, 192.0.2.11]
    AAAA: "2001:db8:1::10"
  - geo: "NA"
    A: [198.51.100.10, 198.51.100.11]
    AAAA: "2001:db8:2::10"
  - geo: "AS"
    A: [203.0.113.10, 203.0.113.11]
    AAAA: "2001:db8:3::10"
`

// knotPlace is the same without a database.
const knotPlace = `imap.mail.example.org:
  - net: 0.0.0.0/0
    A: [192.0.2.10, 192.0.2.11]
    AAAA: "2001:db8:1::10"
`

// pdnsZones is the geoip backend's zone: a name in small letters for each continent, chosen by %cn.
const pdnsZones = `domains:
- domain: mail.example.org
  ttl: 60
  records:
    mail.example.org:
      - soa: ns1.mail.example.org hostmaster.mail.example.org 2026 3600 600 604800 60
      - ns: ns1.mail.example.org
      - ns: ns2.mail.example.org
    ns1.mail.example.org: [{a: 192.0.2.53}]
    ns2.mail.example.org: [{a: 198.51.100.53}]
    text.mail.example.org: [{txt: '"v=spf1 mx -all"'}]
    static.mail.example.org: [{a: 192.0.2.99}]
    eu.mail.example.org: [{a: 192.0.2.10}, {a: 192.0.2.11}, {aaaa: "2001:db8:1::10"}]
    na.mail.example.org: [{a: 198.51.100.10}, {a: 198.51.100.11}, {aaaa: "2001:db8:2::10"}]
    as.mail.example.org: [{a: 203.0.113.10}, {a: 203.0.113.11}, {aaaa: "2001:db8:3::10"}]
  services:
    imap.mail.example.org: {default: ['%cn.mail.example.org', 'eu.mail.example.org']}
`
