package beaker

type noStore0 struct{ Store }
