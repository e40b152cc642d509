package healthcheck

import (
	"time"

	"posthouse/config"
)

// streak turns single probes into a state: it takes `fall` failures in a row to go down and `rise` successes to come
// back. The zero value is Unknown. It is a value; next makes the following one.
type streak struct {
	state     config.HealthState
	count     int       // probes in a row that spoke against state, or for it while it is Failing or Recovering
	since     time.Time // when state was reached
	recovered time.Time // when it last came up after having been down
}

// next is the streak after one more probe. The first good probe of a target that nobody knows yet is believed at
// once: waiting for `rise` of them would leave a starting balancer with nothing.
func (s streak) next(good bool, rise, fall int, now time.Time) streak {
	switch {
	case good && (s.state == config.Down || s.state == config.Recovering):
		return s.rising(rise, now)
	case good:
		return s.to(config.Up, 0, now)
	case s.state == config.Down || s.state == config.Recovering:
		return s.to(config.Down, 0, now)
	}
	return s.falling(fall, now)
}

func (s streak) rising(rise int, now time.Time) streak {
	if s.count+1 < rise {
		return s.to(config.Recovering, s.count+1, now)
	}
	s = s.to(config.Up, 0, now)
	s.recovered = now
	return s
}

func (s streak) falling(fall int, now time.Time) streak {
	switch {
	case s.count+1 >= fall:
		return s.to(config.Down, 0, now)
	case s.state == config.Unknown:
		return s.to(config.Unknown, s.count+1, now)
	}
	return s.to(config.Failing, s.count+1, now)
}

func (s streak) to(state config.HealthState, count int, now time.Time) streak {
	if state != s.state || s.since.IsZero() {
		s.since = now
	}
	s.state, s.count = state, count
	return s
}
