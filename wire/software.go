package wire

import "strings"

// Software is a name and, where there is one, a version out of the text of a greeting or an IMPLEMENTATION
// capability, such as "Dovecot" or "Cyrus 3.6.1"; "" where nothing in it looks like either. Greetings have no
// grammar for this: the first name that is known counts, else the word before the first version.
func Software(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t,;()[]<>\"", r) })
	name, version := "", ""
	for i, w := range words {
		if known := product(w); known != "" && name == "" {
			name, version = known, ""
			continue
		}
		if !isVersion(w) || version != "" {
			continue
		}
		version = strings.TrimLeft(w, "vV")
		if name == "" && i > 0 && isName(words[i-1]) {
			name = words[i-1]
		}
	}
	if name == "" {
		return ""
	}
	return strings.TrimSpace(name + " " + version)
}

// products are mail servers in the spelling of their authors; the first word that is one of them names the software.
var products = []string{
	"Stalwart", "Postfix", "Dovecot", "Cyrus", "Exim", "Sendmail", "Haraka", "OpenSMTPD", "Courier", "maddy",
	"Zimbra", "hMailServer", "Exchange", "Domino", "James", "WildDuck", "Gimap", "Pigeonhole", "Timsieved",
}

func product(word string) string {
	for _, p := range products {
		if strings.EqualFold(word, p) || len(word) > len(p) && strings.EqualFold(word[:len(p)+1], p+"/") {
			return p
		}
	}
	return ""
}

// isVersion tells 3.6.1-4, v0.10 and 4.94.2 from names, dates and addresses: digits, a dot, digits, and at most
// three dots in the numeric part unless letters follow.
func isVersion(word string) bool {
	word = strings.TrimLeft(word, "vV")
	major, rest, found := strings.Cut(word, ".")
	if !found || !digits(major) || rest == "" || !isDigit(rest[0]) || len(word) > 40 {
		return false
	}
	return strings.Count(word, ".") < 3 || !digits(strings.ReplaceAll(word, ".", ""))
}

// isName keeps host names and bare protocol words from being taken for the software.
func isName(word string) bool {
	switch strings.ToUpper(word) {
	case "SMTP", "ESMTP", "LMTP", "IMAP", "IMAP4REV1", "IMAP4REV2", "POP3", "OK", "SERVER", "SERVICE", "READY":
		return false
	}
	return !strings.ContainsAny(word, ".@:/") && !digits(word)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
