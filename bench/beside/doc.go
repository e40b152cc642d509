// Package beside runs servers beside each other: a Contest lets each of its kinds of servers do the work of each row in turn, round
// after round, and reports the medians as ratios to the better of the peers, with the rows that are lost. What a benchmark brings
// is its Kinds with the templates of their configurations, its Rows, and the load that they put on a Server. Linux only.
package beside
