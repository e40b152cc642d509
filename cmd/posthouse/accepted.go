package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"posthouse/config"
)

// acceptedFile holds, inside state_dir, the content of the topology that was in effect last.
const acceptedFile = "accepted.json"

func saveAccepted(dir string, s config.Source) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(dir, acceptedFile, data)
}

// canKeep says what is wrong with a directory that files are to be kept in; "" is none.
func canKeep(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, acceptedFile+".*")
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(file.Name())
}

// replaceFile writes a file by rename, so that a crash leaves the old one or the new one.
func replaceFile(dir, name string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, name+".*") // mode 0600: what is kept may name what is not public
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already where the rename succeeded
	_, err = temporary.Write(data)
	if err == nil {
		err = temporary.Sync()
	}
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, name))
}

// loadAccepted reads it back. Its relative paths mean nothing without config.Options.Dir.
func loadAccepted(dir string) (config.Source, error) {
	var s config.Source
	data, err := os.ReadFile(filepath.Join(dir, acceptedFile))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}
