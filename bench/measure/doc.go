// Package measure is what the benchmarks of Posthouse beside other servers have in common: a server under test is started on a
// core of its own (Start), the CPU time (CPU) and the memory (PSS, KernelMemory) that work costs it are read from outside, in the
// same way for every server, and medians of interleaved rounds (Figures) are printed as a table (Table) with the machine's
// facts (Machine). Linux only.
package measure
