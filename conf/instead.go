package conf

import "fmt"

// mainly is a field that a single value in place of its section is taken to be for, if it fits. Of several the first goes
// that it fits.
func mainly[T any](f field[T]) field[T] {
	f.main = true
	return f
}

// sectionFor is the section to write for a word in its place, empty if it is not clear which key is meant: that is the
// main one, or the only one that must be there.
func sectionFor[T any](word string, fields []field[T]) string {
	only := onlyRequired(fields)
	for i := range fields {
		f := &fields[i]
		if !f.main && f.key != only {
			continue
		}
		for _, w := range f.readings(word) {
			if text := f.instead(w); text != "" {
				return fmt.Sprintf("{%s: %s}", f.key, text)
			}
		}
	}
	return ""
}

// readings are what a word in place of a section may mean as the value of a key in it: true is for the default, and a
// number may lack its unit.
func (f *field[T]) readings(word string) []string {
	switch {
	case word == "true":
		return []string{f.def}
	case isNumber(word):
		return []string{word, word + "s", word + "%"}
	}
	return []string{word}
}

// onlyRequired is the key that must be there, if it is only one and has a single value or a list of them.
func onlyRequired[T any](fields []field[T]) (key string) {
	for i := range fields {
		if fields[i].example == "" {
			continue
		}
		if key != "" || fields[i].instead == nil {
			return ""
		}
		key = fields[i].key
	}
	return key
}

func inList(text string) string {
	if text == "" {
		return ""
	}
	return "[" + text + "]"
}

// looks is what YAML takes a plain word for.
func looks(word string) kind { return kinds[nodeOf(word).ShortTag()] }
