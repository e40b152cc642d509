package main

import (
	"encoding"
	"encoding/json"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"time"
)

// line is one of the log while it is printed, in the form of slog's text or JSON.
type line struct {
	text []byte
	json bool
	odd  bool // there is something in it that slog is to print
}

func (l *line) begin(c *clock, t time.Time) {
	if unix := t.Unix(); unix < 0 || unix >= 1<<37 { // not far from now, a year has four digits
		l.odd = true
		return
	}
	second, fraction := c.at(t), t.Nanosecond()
	if l.json {
		l.text = append(l.text, `{"time":"`...)
		l.text = append(l.text, second.date...)
		l.text = appendFraction(l.text, fraction, 9)
		l.text = append(l.text, second.offset...)
		l.text = append(l.text, '"')
		return
	}
	l.text = append(l.text, "time="...)
	l.text = append(l.text, second.date...)
	ms := fraction / 1e6
	l.text = append(l.text, '.', digit(ms/100), digit(ms/10), digit(ms))
	l.text = append(l.text, second.offset...)
}

func (l *line) end() {
	if l.json {
		l.text = append(l.text, '}')
	}
	l.text = append(l.text, '\n')
}

func (l *line) attrs(all []slog.Attr) {
	for i := range all {
		l.attr(&all[i])
	}
}

func (l *line) attr(a *slog.Attr) {
	switch kind := a.Value.Kind(); {
	case kind == slog.KindGroup && a.Key == "": // then what is in it stands here
		l.attrs(a.Value.Group())
	case a.Key == "":
		l.odd = true
	case kind == slog.KindString:
		l.word(a.Key, a.Value.String())
	case kind == slog.KindInt64:
		l.key(a.Key)
		l.text = strconv.AppendInt(l.text, a.Value.Int64(), 10)
	case kind == slog.KindUint64:
		l.key(a.Key)
		l.text = strconv.AppendUint(l.text, a.Value.Uint64(), 10)
	case kind == slog.KindFloat64:
		l.key(a.Key)
		l.float(a.Value.Float64())
	case kind == slog.KindBool:
		l.key(a.Key)
		l.text = strconv.AppendBool(l.text, a.Value.Bool())
	case kind == slog.KindAny:
		l.key(a.Key)
		l.value(a.Value.Any())
	default:
		l.odd = true
	}
}

func (l *line) key(key string) {
	if l.json {
		l.text = append(l.text, ',')
	} else {
		l.text = append(l.text, ' ')
	}
	l.quotable(key)
	if l.json {
		l.text = append(l.text, ':')
	} else {
		l.text = append(l.text, '=')
	}
}

func (l *line) word(key, word string) {
	l.key(key)
	l.quotable(word)
}

func (l *line) quotable(w string) {
	switch mark := marks(w); {
	case mark&escaped != 0:
		l.odd = true
	case l.json || mark != 0 || w == "":
		l.text = append(l.text, '"')
		l.text = append(l.text, w...)
		l.text = append(l.text, '"')
	default:
		l.text = append(l.text, w...)
	}
}

// What a byte means for the word that it is in.
const (
	quoted  = 1 << iota // in text it has quotes, as it has always in JSON
	escaped             // something else stands for the byte, or for some that begin with it
)

var byteMarks = func() (all [256]byte) {
	for b := range all {
		switch {
		case b == ' ' || b == '=':
			all[b] = quoted
		case b < ' ' || b > '~' || b == '"' || b == '\\':
			all[b] = escaped
		}
	}
	return all
}()

func marks[T string | []byte](w T) (all byte) {
	for i := range len(w) {
		all |= byteMarks[w[i]]
	}
	return all
}

// float knows milliseconds with thousandths, which is what most are: n/1000 as it is written has fewer digits than a float can tell apart,
// so it is the shortest that means the same. From a million on text has an exponent.
func (l *line) float(f float64) {
	if 0.001 <= f && f < 1e6 {
		if n := int(f*1000 + 0.5); float64(n)/1000 == f {
			l.text = strconv.AppendInt(l.text, int64(n/1000), 10)
			l.text = appendFraction(l.text, n%1000, 3)
			return
		}
	}
	switch {
	case !l.json:
		l.text = strconv.AppendFloat(l.text, f, 'g', -1, 64)
	case f == 0, 1e-6 <= math.Abs(f) && math.Abs(f) < 1e21:
		l.text = strconv.AppendFloat(l.text, f, 'f', -1, 64)
	default:
		l.odd = true
	}
}

// appendFraction writes a point and so many digits, without zeros at the end.
func appendFraction(b []byte, fraction, digits int) []byte {
	if fraction == 0 {
		return b
	}
	for ; fraction%10 == 0; digits-- {
		fraction /= 10
	}
	b = append(b, ".000000000"[:1+digits]...)
	for i := len(b) - 1; fraction > 0; i-- {
		b[i] = digit(fraction)
		fraction /= 10
	}
	return b
}

// digit is the last one of a number.
func digit(n int) byte { return '0' + byte(n%10) }

// texts are values that slog prints by their text, unless they are errors or have their own JSON.
type texts interface {
	encoding.TextAppender
	encoding.TextMarshaler
}

// value prints what has a text, such as an address.
func (l *line) value(v any) {
	defer func() {
		if recover() != nil { // slog prints that as well
			l.odd = true
		}
	}()
	t, ok := v.(texts)
	if !ok || isOdd(v) {
		l.odd = true
		return
	}
	if l.json {
		l.text = append(l.text, '"')
	}
	from := len(l.text)
	text, err := t.AppendText(l.text)
	if err != nil || len(text) == from || marks(text[from:]) != 0 {
		l.odd = true
		return
	}
	l.text = text
	if l.json {
		l.text = append(l.text, '"')
	}
}

func isOdd(v any) bool {
	switch v.(type) {
	case error, json.Marshaler:
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
