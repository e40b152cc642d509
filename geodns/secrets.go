package geodns

import (
	"encoding/json"
	"fmt"
	"time"
)

// keptSecrets is the file in which the secrets of cookies are kept over a restart. Without it every client's cookie would be one
// that nobody knows, and the rate limit would count all of them again until they have new ones.
type keptSecrets struct {
	Since       time.Time `json:"since"`
	Now, Before []byte
}

// keepSecrets keeps the secrets in a topology's state_dir, where that is another one than before; at the first data it goes on with
// those that are there. The caller holds packing.
func (s *Server) keepSecrets(dir string, first bool, now time.Time) {
	if s.Kept == nil || s.Keep == nil || dir == s.secretsIn {
		return
	}
	s.secretsIn = dir
	if dir == "" {
		return
	}
	if first {
		if err := s.recallSecrets(now); err != nil {
			s.Log.Warn("state_dir: the secrets of DNS cookies are not known, clients get new cookies", "why", err.Error())
		}
	}
	s.saveSecrets()
}

// recallSecrets goes on with the secrets of the run before this one, as if they had been taken now where the clock was set back
// meanwhile: else they would stay for ever.
func (s *Server) recallSecrets(now time.Time) error {
	data, err := s.Kept(s.secretsIn)
	if err != nil || data == nil {
		return err
	}
	var k keptSecrets
	if err := json.Unmarshal(data, &k); err != nil {
		return err
	}
	if len(k.Now) != sipKeySize || len(k.Before) != sipKeySize {
		return fmt.Errorf("secrets of %d and %d bytes, not %d", len(k.Now), len(k.Before), sipKeySize)
	}
	if k.Since.After(now) {
		k.Since = now
	}
	s.cookies.secrets.Store(&secrets{now: sipKeyOf([sipKeySize]byte(k.Now)), before: sipKeyOf([sipKeySize]byte(k.Before)), since: k.Since})
	s.cookies.rotate(now)
	return nil
}

func (s *Server) saveSecrets() {
	if s.secretsIn == "" {
		return
	}
	of := s.cookies.secrets.Load()
	data, err := json.Marshal(keptSecrets{of.since, of.now.bytes(), of.before.bytes()})
	if err == nil {
		err = s.Keep(s.secretsIn, data)
	}
	if err != nil {
		s.Log.Warn("state_dir: the secrets of DNS cookies are not kept, after a restart clients need new cookies", "why", err.Error())
	}
}
