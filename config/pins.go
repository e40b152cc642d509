package config

import (
	"fmt"
	"net/netip"
	"strings"
)

var continent = oneOf("continent",
	choice[string]{"AF", "AF"}, choice[string]{"AN", "AN"}, choice[string]{"AS", "AS"}, choice[string]{"EU", "EU"},
	choice[string]{"NA", "NA"}, choice[string]{"OC", "OC"}, choice[string]{"SA", "SA"})

// country is an ISO 3166-1 alpha-2 code. Norway needs quotes: to YAML 1.1, and so to many an editor and linter, the
// bare word is false.
var country = kind[string]{"the two letters of a country", matching(`^[A-Z]{2}$`), func(s scope, n *node) (string, bool) {
	code := strings.ToUpper(n.text)
	switch {
	case n.shape != scalar:
		s.wants(n, "the two letters of a country")
	case code == "NO" && !n.quoted:
		s.errorf(n.position, `%s: put "NO" in quotes: the bare word is also YAML for false`, s.key)
	case len(code) == 2 && strings.Contains(countryCodes, " "+code+" ") && n.text == code:
		return code, true
	case len(code) == 2 && strings.Contains(countryCodes, " "+code+" "):
		s.errorf(n.position, "%s: no country %q (did you mean %q?)", s.key, n.text, code)
	case code == "UK":
		s.errorf(n.position, `%s: no country %q (did you mean "GB"?)`, s.key, n.text)
	default:
		s.errorf(n.position, "%s takes the two letters of a country (ISO 3166-1), not %s", s.key, n.described())
	}
	return "", false
}}

// countryCodes are those of ISO 3166-1, and XK, which the databases use for Kosovo.
const countryCodes = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT " +
	"MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG " +
	"UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "

func prefixesOf(r *Region) *[]netip.Prefix { return &r.Prefixes }
func addressesOf(r *Region) *[]netip.Addr  { return &r.Addresses }

// checkPins refuses what two regions claim: there would be no rule which of them a client belongs to.
func (b *builder) checkPins() {
	owners := make(map[string]string)
	for _, r := range b.Regions {
		claims := b.regionNodes[r.Name]
		for _, key := range []string{"continents", "countries", "prefixes", "addresses"} {
			pins := claims.get(key)
			if pins == nil {
				continue
			}
			for _, pin := range pins.items {
				b.claim(owners, r.Name, key, pin)
			}
		}
	}
}

func (b *builder) claim(owners map[string]string, region, key string, pin *node) {
	canonical := pin.text
	if p, err := netip.ParsePrefix(pin.text); err == nil {
		canonical = p.String()
	} else if a, err := netip.ParseAddr(pin.text); err == nil {
		canonical = a.String()
	}
	id := fmt.Sprint(key, " ", canonical)
	if other, claimed := owners[id]; claimed && other != region {
		b.errorf(pin.position, "region %q: %s: %s belongs to region %q already", region, key, pin.text, other)
		return
	}
	owners[id] = region
}
