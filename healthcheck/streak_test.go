package healthcheck

import (
	"strings"
	"testing"
	"time"
)

func TestStreak(t *testing.T) {
	for _, c := range []struct {
		name       string
		rise, fall int
		probes     string // + good, - failed
		want       string // the state after each
	}{
		{"first good probe is believed", 2, 3, "+", "up"},
		{"unknown until fall", 2, 3, "---", "unknown1 unknown2 down"},
		{"unknown, one failure, good", 2, 3, "-+", "unknown1 up"},
		{"failing and back", 2, 3, "+--+", "up failing1 failing2 up"},
		{"the count starts anew", 2, 3, "+--+--", "up failing1 failing2 up failing1 failing2"},
		{"down", 2, 3, "+---", "up failing1 failing2 down"},
		{"down stays down", 2, 3, "+-----", "up failing1 failing2 down down down"},
		{"back after rise", 2, 3, "---++", "unknown1 unknown2 down recovering1 up"},
		{"a relapse starts anew", 3, 1, "-++-++", "down recovering1 recovering2 down recovering1 recovering2"},
		{"rise 1", 1, 1, "-+-+", "down up down up"},
		{"fall 1", 2, 1, "+-", "up down"},
	} {
		var s streak
		var got []string
		for _, p := range c.probes {
			s = s.next(p == '+', c.rise, c.fall, time.Unix(1, 0))
			word := s.state.String()
			if s.count > 0 {
				word += string(rune('0' + s.count))
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s = %s, want %s", c.name, c.probes, strings.Join(got, " "), c.want)
		}
	}
}

func TestStreakTimes(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	var s streak
	for i, good := range []bool{true, false, false, false, true, true, true} { // up, failing, failing, down, recovering, up, up
		s = s.next(good, 2, 3, at(int64(i+1)))
		if i == 2 && !s.since.Equal(at(2)) {
			t.Errorf("failing since %v, want since the first failure", s.since.Unix())
		}
	}
	if !s.since.Equal(at(6)) || !s.recovered.Equal(at(6)) {
		t.Errorf("up since %d, recovered at %d, want 6 and 6", s.since.Unix(), s.recovered.Unix())
	}
	if first := (streak{}).next(true, 2, 3, at(1)); !first.recovered.IsZero() {
		t.Errorf("a target that was never down recovered at %v", first.recovered)
	}
}
