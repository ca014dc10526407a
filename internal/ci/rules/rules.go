package rules

// Rule is something that holds for the whole repository.
type Rule struct {
	Name  string
	Check func(*Tree) []string // what breaks it, each with place and remedy; nil is good
}

// All returns the rules, in the order of the files that state them.
func All() []Rule {
	return []Rule{
		{"the root module requires no other", rootRequiresNothing},
		{"all modules have one go line", sameGoLine},
		{"all modules are in go.work", allInWorkspace},
		{"library packages import the standard library and this module", libraryImportsStdlib},
		{"only test code imports testing", onlyTestsImportTesting},
		{"no weak primitives", noWeakPrimitives},
		{"every package has a package comment", packageComments},
		{"every exported identifier has a comment", exportedComments},
		{"no test is skipped or waits by sleeping", noSkipNoSleep},
		{"every fuzz target has a corpus", fuzzCorpus},
		{"every fuzz target says what it decodes", fuzzDecodes},
		{"no file names a machine", noMachineNames},
	}
}
