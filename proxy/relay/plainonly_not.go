//go:build !plainrelay

package relay

const plainOnly = false
