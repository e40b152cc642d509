package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
)

// twins are lines and slog's handler for the same form, each with what it has written.
type twins struct {
	name        string
	ours, slogs slog.Handler
	our, slog   *bytes.Buffer
	left        *int // records that were left to slog
}

// leaving counts what lines leaves to slog's handler.
type leaving struct {
	slog.Handler
	count *int
}

func (l leaving) Handle(ctx context.Context, r slog.Record) error {
	*l.count++
	return l.Handler.Handle(ctx, r)
}

func (l leaving) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leaving{l.Handler.WithAttrs(attrs), l.count}
}

func (l leaving) WithGroup(name string) slog.Handler {
	return leaving{l.Handler.WithGroup(name), l.count}
}

func newTwins() []*twins {
	var all []*twins
	for _, json := range []bool{false, true} {
		t := &twins{name: "text", our: new(bytes.Buffer), slog: new(bytes.Buffer), left: new(int)}
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		t.slogs = slog.NewTextHandler(t.slog, options)
		if json {
			t.name, t.slogs = "json", slog.NewJSONHandler(t.slog, options)
		}
		l := newLines(&journal{to: t.our}, json, slog.LevelDebug)
		l.Handler = leaving{l.Handler, t.left}
		t.ours = l
		all = append(all, t)
	}
	return all
}

// with is the twins after a WithAttrs or WithGroup of both.
func (tw *twins) with(change func(slog.Handler) slog.Handler) *twins {
	next := *tw
	next.ours, next.slogs = change(tw.ours), change(tw.slogs)
	return &next
}

// agree lets both write a record, and says whether ours had to be left to slog.
func (tw *twins) agree(t *testing.T, r slog.Record) (left bool) {
	t.Helper()
	before := *tw.left
	tw.our.Reset()
	tw.slog.Reset()
	tw.slogs.Handle(t.Context(), r)
	tw.ours.Handle(t.Context(), r)
	if tw.our.String() != tw.slog.String() {
		t.Errorf("%s: ours  %q\nslog's %q", tw.name, tw.our, tw.slog)
	}
	return *tw.left > before
}

var someTime = time.Date(2026, 3, 29, 0, 59, 59, 70_500_000, time.FixedZone("", 2*60*60))

func recordOf(attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(someTime, slog.LevelInfo, "session", 0)
	r.AddAttrs(attrs...)
	return r
}

type silent struct{}

func (silent) AppendText([]byte) ([]byte, error) { return nil, errors.New("no text") }
func (silent) MarshalText() ([]byte, error)      { return nil, errors.New("no text") }

// sturdy has a text even where it is nil, which JSON does not ask for.
type sturdy struct{}

func (*sturdy) AppendText(b []byte) ([]byte, error) { return append(b, "sturdy"...), nil }
func (*sturdy) MarshalText() ([]byte, error)        { return []byte("sturdy"), nil }

type spoken string

func (s spoken) AppendText(b []byte) ([]byte, error) { return append(b, s...), nil }
func (s spoken) MarshalText() ([]byte, error)        { return []byte(s), nil }

type spokenError struct{ spoken }

func (spokenError) Error() string { return "an error" }

type later struct{ v slog.Value }

func (l later) LogValue() slog.Value { return l.v }

// attrRows are attributes, and whether a line with one of them is for slog: n no, y yes, t in text, j in JSON.
func attrRows() []struct {
	left rune
	attr slog.Attr
} {
	address := netip.MustParseAddrPort("[2001:db8::1%eth0]:993")
	type row = struct {
		left rune
		attr slog.Attr
	}
	rows := []row{
		{'n', slog.Any("client", netip.MustParseAddrPort("192.0.2.1:993"))},
		{'n', slog.Any("client", &address)},
		{'n', slog.Any("ip", net.IPv4(192, 0, 2, 1))},
		{'y', slog.Any("client", (*netip.AddrPort)(nil))},
		{'y', slog.Any("client", netip.AddrPort{})},
		{'y', slog.Any("a", (*sturdy)(nil))},
		{'n', slog.Any("a", new(sturdy))},
		{'y', slog.Any("a", silent{})},
		{'y', slog.Any("a", spoken("two words"))},
		{'y', slog.Any("a", spoken("a\nb"))},
		{'y', slog.Any("a", spokenError{"a"})},
		{'y', slog.Any("a", someTime)},
		{'y', slog.Any("a", slog.LevelWarn)},
		{'y', slog.Any("a", nil)},
		{'y', slog.Any("a", []byte("bytes"))},
		{'y', slog.Any("a", errors.New("an error"))},
		{'y', slog.Any("a", json.RawMessage(`{"a":1}`))},
		{'y', slog.Any("a", map[string]int{"b": 1})},
		{'y', slog.Any("a", later{slog.StringValue("b")})},
		{'y', slog.Duration("a", 1500*time.Millisecond)},
		{'y', slog.Time("a", someTime)},
		{'n', slog.Bool("a", true)},
		{'n', slog.Bool("a", false)},
		{'n', slog.Int64("a", math.MinInt64)},
		{'n', slog.Uint64("a", math.MaxUint64)},
		{'n', slog.Int("two words", 1)},
		{'y', slog.Int("", 1)},
		{'n', slog.Attr{}}, // left out before it is handed in
		{'y', slog.Group("g", slog.Int("a", 1))},
		{'n', slog.Group("", slog.Int("a", 1), slog.String("b", "c"), slog.Group("", slog.Bool("d", true)))},
		{'y', slog.Group("", slog.Int("a", 1), slog.Group("g", slog.Int("b", 2)))},
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.001, 0.0005, 0.371, 999.999, 999999.999, 1e6, 1234567.891, 0.1 + 0.2, 1.0005,
		math.Nextafter(0.371, 1), math.Pi, 1e-6, 1e20, math.MaxInt64} {
		rows = append(rows, row{'n', slog.Float64("ms", f)})
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e21, 1e-7, math.SmallestNonzeroFloat64} {
		rows = append(rows, row{'j', slog.Float64("ms", f)})
	}
	for _, s := range []string{"", "a", "two words", "a=b", "node-1:refused, node-2:silent", "<a>&'", strings.Repeat("x", 100<<10)} {
		rows = append(rows, row{'n', slog.String("a", s)})
	}
	for _, s := range []string{`"`, `\`, "\n", "a\x00b", "\x7f", "a \x7f", "\xff", "é", "a\u2028b", "\u00a0"} {
		rows = append(rows, row{'y', slog.String("a", s)}, row{'y', slog.String(s, "a")})
	}
	return rows
}

// TestLinesLikeSlog: whatever a line says, it is written as slog writes it, and what is plain not by slog.
func TestLinesLikeSlog(t *testing.T) {
	for _, tw := range newTwins() {
		for _, row := range attrRows() {
			if row.attr.Equal(slog.Attr{}) {
				continue
			}
			want := row.left == 'y' || row.left == rune(tw.name[0])
			if left := tw.agree(t, recordOf(slog.Int("before", 1), row.attr, slog.Int("after", 2))); left != want {
				t.Errorf("%s: %.80v is left to slog: %v, want %v", tw.name, row.attr, left, want)
			}
			added := tw.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("before", 1), row.attr}) })
			added.agree(t, recordOf(slog.Int("after", 2)))
			added.agree(t, recordOf())
		}
	}
}

// TestLinesBegin: time, level and message.
func TestLinesBegin(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	times := []time.Time{{}, time.Now(), time.Unix(0, 0), time.Unix(-1, 5), time.Unix(1<<37, 0), time.Unix(1<<40, 0)}
	for _, ns := range []int{0, 1, 999_999, 1_000_000, 10_000_000, 100_000_000, 120_000_000, 123_456_789, 999_999_999} {
		for _, zone := range []*time.Location{time.UTC, berlin, someTime.Location()} {
			for _, minute := range []int{59, 60} { // in Berlin the clock goes forward between them
				times = append(times, time.Date(2026, 3, 29, 0, minute, 0, ns, time.UTC).In(zone))
			}
		}
	}
	for _, tw := range newTwins() {
		for _, when := range times {
			left := tw.agree(t, slog.NewRecord(when, slog.LevelInfo, "session", 0))
			if want := when.Unix() < 0 || when.Unix() >= 1<<37; left != want {
				t.Errorf("%s: %v is left to slog: %v, want %v", tw.name, when, left, want)
			}
		}
		for level := slog.LevelDebug - 1; level < slog.LevelError+2; level++ {
			for _, message := range []string{"session", "", "node up", "a\nb", "ü"} {
				tw.agree(t, slog.NewRecord(someTime, level, message, 0))
			}
		}
	}
}

// TestLinesWith: attributes and groups that all lines have.
func TestLinesWith(t *testing.T) {
	for _, tw := range newTwins() {
		one := tw.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String("balancer", "eu")}) })
		for name, with := range map[string]*twins{
			"attrs": one,
			"twice": one.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("n", 2), slog.Int("m", 3)}) }),
			"none":  one.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(nil) }),
		} {
			if with.agree(t, recordOf(slog.Int("a", 1))) || with.agree(t, recordOf()) {
				t.Errorf("%s: %s is left to slog", tw.name, name)
			}
		}
		group := one.with(func(h slog.Handler) slog.Handler { return h.WithGroup("g") })
		group.agree(t, recordOf(slog.Int("a", 1)))
		group.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("n", 2)}) }).agree(t, recordOf())
		for i := range 3 { // they do not write into each other
			branch := one.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("branch", i)}) })
			defer branch.agree(t, recordOf())
		}
		one.agree(t, recordOf())
	}
}

// TestLinesSlogtest holds lines to the rules of package slog for those who print records.
func TestLinesSlogtest(t *testing.T) {
	var out *bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out = new(bytes.Buffer)
		return newLines(&journal{to: out}, true, slog.LevelInfo)
	}, func(t *testing.T) map[string]any {
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		return line
	})
}

// TestLinesTogether: lines of many writers, plain ones and those that slog writes, stay whole.
func TestLinesTogether(t *testing.T) {
	const writers, each = 4, 300
	var w bytes.Buffer
	log := slog.New(newLines(&journal{to: &w}, false, slog.LevelInfo))
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			for i := range each {
				log.Info("plain", "writer", n, "line", i)
				log.Info("odd", "writer", n, "line", i, "why", errors.New("two words"))
			}
		})
	}
	all.Wait()
	count := make(map[string]int)
	for line := range strings.Lines(w.String()) {
		_, said, _ := strings.Cut(line, "level=INFO ")
		count[said]++
	}
	for n := range writers {
		for i := range each {
			plain := fmt.Sprintf("msg=plain writer=%d line=%d\n", n, i)
			odd := fmt.Sprintf("msg=odd writer=%d line=%d why=\"two words\"\n", n, i)
			if count[plain] != 1 || count[odd] != 1 {
				t.Fatalf("%d times %q, %d times %q", count[plain], plain, count[odd], odd)
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("session", "client", "192.0.2.1:993", 0.371, int64(64), int64(1774745999), 70_500_000, 7200, uint8(0))
	f.Add("two words", "a=b", "\xff\u2028\"\\", 1e21, int64(-1), int64(-62135596800), 0, 0, uint8(1))
	f.Add("", "", "", math.NaN(), int64(0), int64(1<<37), 999_999_999, -3600, uint8(2))
	all := newTwins()
	f.Fuzz(func(t *testing.T, message, key, text string, float float64, number, unix int64, ns, offset int, how uint8) {
		when := time.Unix(unix%(1<<38), int64(ns)).In(time.FixedZone("", offset%86400))
		attrs := []slog.Attr{
			slog.String(key, text), slog.Float64("float", float), slog.Float64("ms", float64(number)/1000), slog.Int64("number", number),
			slog.Uint64(text, uint64(number)), slog.Any("spoken", spoken(text)), slog.Bool("bool", number > 0),
		}
		for _, tw := range all {
			r := slog.NewRecord(when, slog.Level(number%16), message, 0)
			for _, a := range attrs { // each by itself, as one that is odd leaves the others to slog as well
				single := r.Clone()
				single.AddAttrs(a)
				tw.agree(t, single)
			}
			if how&1 != 0 {
				tw = tw.with(func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.String(text, key)}) })
			}
			if how&2 != 0 {
				tw = tw.with(func(h slog.Handler) slog.Handler { return h.WithGroup(key) })
			}
			r.AddAttrs(slog.Attr{Key: []string{"", text}[how>>2&1], Value: slog.GroupValue(attrs...)})
			tw.agree(t, r)
		}
	})
}

// sessionLine is what most sessions say at their end.
func sessionLine() slog.Record {
	client, node := netip.MustParseAddrPort("203.0.113.77:51234"), netip.MustParseAddrPort("10.1.2.3:10993")
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "session", 0)
	r.AddAttrs(slog.Attr{Value: slog.GroupValue(
		slog.Any("id", spoken("06h1bk8j15ajqr00000g")), slog.String("service", "imaps"), slog.Any("client", &client),
		slog.String("node", "eu-imap-007"), slog.Any("address", &node), slog.String("region", "eu"), slog.Int64("up", 64), slog.Int64("down", 64),
		slog.Float64("walk_ms", 0.371), slog.Float64("connect_ms", 0.057), slog.Float64("greeting_ms", 0.243), slog.Float64("total_ms", 1.578),
		slog.Int("tries", 1), slog.String("end", "client"))})
	return r
}

func TestLinesAllocateNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes pools forget")
	}
	r := sessionLine()
	for _, json := range []bool{false, true} {
		j := &journal{to: io.Discard}
		defer j.gather()()
		h := newLines(j, json, slog.LevelInfo).WithAttrs([]slog.Attr{slog.String("balancer", "eu")})
		if n := testing.AllocsPerRun(100, func() { h.Handle(t.Context(), r) }); n > 0 {
			t.Errorf("json %v: %v allocations for a line", json, n)
		}
	}
}

// BenchmarkLines is a session's line, as lines and as slog's own handlers write it.
func BenchmarkLines(b *testing.B) {
	r := sessionLine()
	for _, tw := range newTwins() {
		for name, h := range map[string]slog.Handler{"ours": tw.ours, "slog": tw.slogs} {
			b.Run(tw.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				if ours, ok := h.(*lines); ok { // as for sessions
					defer ours.to.gather()()
				}
				for b.Loop() {
					tw.our.Reset()
					tw.slog.Reset()
					h.Handle(context.Background(), r)
				}
			})
		}
	}
}
