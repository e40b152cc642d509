//go:build plainrelay

package relay

// plainOnly: this build has no loops, so that benchmarks and tests can compare them with the plain form.
const plainOnly = true
