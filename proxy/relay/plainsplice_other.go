//go:build !linux

package relay

type pipes struct{}

func (*pipes) close() {}

// splice moves nothing: there is no such call here, and copying goes on.
func (d *direction) splice() error { return nil }
