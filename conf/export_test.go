package conf

// ParseText gives the tests outside the package what loadText gives those within.
func ParseText(text string) (*Config, error) { return loadText(text) }

// Valid are the configurations that fuzzing begins with.
var Valid = []string{base, least, whole}

// EditSamples are texts whose backends are written in many ways.
var EditSamples = []string{editPorts + shared, base, least}
