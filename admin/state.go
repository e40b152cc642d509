package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"posthouse/routing"
)

// stateFile holds, inside state_dir, what operators set at run time.
const stateFile = "marks.json"

// state is what survives a restart.
type state struct {
	Marks   routing.Marks `json:"marks"`
	Denials []Denial      `json:"denials"`
}

// Restore puts into effect what a run before this one has kept in the topology's state_dir. It is called before the first session
// and before Prepare. What cannot be read is said: a node that was being emptied may get sessions again.
func (s *Server) Restore() {
	s.changing.Lock()
	defer s.changing.Unlock()
	dir := s.Router.Table().File().StateDir
	s.restored, s.keptIn = true, dir
	if dir == "" {
		return
	}
	kept, err := loadState(dir)
	if err != nil {
		s.Log.Error("marks and denials are lost: set them again", "event", "marks-lost", "why", err.Error())
		return
	}
	if len(kept.Marks) > 0 {
		s.Router.Mark(func(routing.Marks) routing.Marks { return kept.Marks })
		s.Log.Info("marks of the run before are in effect", "event", "marks-restored", "marks", len(kept.Marks))
	}
	s.denied.all = kept.Denials
	s.deny()
}

func loadState(dir string) (kept state, err error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return state{}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	for _, d := range kept.Denials {
		if !d.Prefix.IsValid() && err == nil { // as a network it would be everybody
			err = fmt.Errorf("%s: a denial without a prefix", stateFile)
		}
	}
	return kept, err
}

// keep writes what is set now, where there is a state_dir. The caller holds changing.
func (s *Server) keep() {
	dir := s.Router.Table().File().StateDir
	if dir == "" {
		return
	}
	err := saveState(dir, state{s.Router.Table().Marks(), s.denied.current()})
	if err != nil {
		s.Log.Error("what was set is in effect, but is lost at a restart", "event", "marks-unsaved", "why", err.Error())
		return
	}
	s.keptIn = dir
}

// keepElsewhere writes what is set where a reload has named another state_dir: a start would find nothing there, or what was set long ago.
func (s *Server) keepElsewhere() {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.restored && s.Router.Table().File().StateDir != s.keptIn {
		s.keep()
	}
}

// saveState replaces the file by rename, so that a crash leaves the old one or the new one.
func saveState(dir string, kept state) error {
	data, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, stateFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already where the rename succeeded
	_, err = temporary.Write(data)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("%s: %w", temporary.Name(), err)
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, stateFile))
}
