//go:build race

package proxy

// racy: the race detector is on. Its sync.Pool loses memory on purpose.
const racy = true
