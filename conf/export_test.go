package conf

// ParseText gives the tests outside the package what loadText gives those within.
func ParseText(text string) (*Config, error) { return loadText(text) }

// Valid are the configurations that fuzzing begins with.
var Valid = []string{base, least, whole}
