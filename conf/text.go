package conf

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The functions here turn the text of a single value into what it stands for. Their errors read on after the
// value's key: "weight: " + "must be 0 to 65535, is 70000".

// Counted is a number of things in words: "1 backend", "2 backends". The plural of what it takes ends in s.
func Counted[N ~int | ~uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*(_[0-9]+)*)$`)

func isNumber(text string) bool { return decimal.MatchString(text) }

// parseInt takes decimal numbers only: in YAML 1.1, 010 would be 8.
func parseInt(text string, low, high int) (int, error) {
	if !isNumber(text) {
		return 0, fmt.Errorf("must be a whole number from %d to %d, is %s", low, high, quote(text))
	}
	n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be %d to %d, is %s", low, high, text)
	}
	return n, nil
}

// parsePowerOfTwo is parseInt for sizes of rings; low and high are powers of two.
func parsePowerOfTwo(text string, low, high int) (int, error) {
	n, err := parseInt(text, low, high)
	if err != nil {
		return 0, err
	}
	if bits.OnesCount(uint(n)) != 1 {
		below := 1 << (bits.Len(uint(n)) - 1)
		return 0, fmt.Errorf("must be a power of two, is %d: %d and %d are the nearest", n, below, 2*below)
	}
	return n, nil
}

func parseDuration(text string, low, high time.Duration) (time.Duration, error) {
	if isNumber(text) {
		return 0, fmt.Errorf("needs a unit: write %ss if seconds are meant", text)
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("must be a time such as 500ms, 300s, 2m or 1h30m, is %s", quote(text))
	case d < low || d > high:
		return 0, fmt.Errorf("must be %s to %s, is %s", short(low), short(high), text)
	case d%time.Millisecond != 0:
		return 0, fmt.Errorf("must be whole milliseconds, is %s", text)
	}
	return d, nil
}

// short prints a duration without the zeros of time.Duration: 2h, not 2h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-len("0s")]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-len("0m")]
	}
	return s
}

func parseBool(text string) (bool, error) {
	return text == "true" || text == "True" || text == "TRUE", nil
}

// parseWord takes one of the supported words. Those of LVS, or of the configurations of later versions, are
// told apart from mistakes.
func parseWord(text string, supported, unsupported []string) error {
	switch {
	case slices.Contains(supported, text):
		return nil
	case slices.Contains(unsupported, text):
		return fmt.Errorf("this version does not support %s: supported are %s", text, allOf(supported))
	}
	hint := ""
	if lower := strings.ToLower(text); slices.Contains(supported, lower) {
		hint = ": write " + lower
	} else if n := near(text, supported); n != "" {
		hint = fmt.Sprintf(": did you mean %s?", n)
	}
	return fmt.Errorf("must be %s, is %s%s", oneOf(supported), quote(text), hint)
}

// word takes one of the words of a type, or says whether it is one that this version lacks. An error leaves the zero
// value instead of the default, so that the checks do not speak of what nobody wrote.
func word[T ~string](at *T, text string, lacking []string, choices ...T) error {
	if slices.Contains(choices, T(text)) {
		*at = T(text)
		return nil
	}
	*at = ""
	supported := make([]string, len(choices))
	for i, c := range choices {
		supported[i] = string(c)
	}
	return parseWord(text, supported, lacking)
}

// keep stores what a parser returns; with an error the zero value, as word does.
func keep[T any](at *T) func(T, error) error {
	return func(parsed T, err error) error {
		if err != nil {
			parsed = *new(T)
		}
		*at = parsed
		return err
	}
}

var nameForm = regexp.MustCompile(`^[a-z0-9._-]+$`)

func parseName(text string, most int) (string, error) {
	switch {
	case text == "":
		return "", errors.New("is empty: give it a name")
	case len(text) > most:
		return "", fmt.Errorf("is %d characters long: names have at most %d", len(text), most)
	case nameForm.MatchString(text):
		return text, nil
	case nameForm.MatchString(strings.ToLower(text)):
		return "", fmt.Errorf("must be in lower case: write %s", strings.ToLower(text))
	}
	return "", fmt.Errorf("must be made of a-z, 0-9, dot, dash and underscore, is %s", quote(text))
}

// maxInterfaceName is the kernel's IFNAMSIZ less the final zero.
const maxInterfaceName = 15

var interfaceForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// parseInterface takes the name of a kernel interface that is to be made; empty is none.
func parseInterface(text string) (string, error) {
	switch {
	case text == "":
		return "", nil
	case len(text) > maxInterfaceName:
		return "", fmt.Errorf("is %d characters long: names of interfaces have at most %d", len(text), maxInterfaceName)
	case !interfaceForm.MatchString(text) || text == "." || text == "..":
		return "", fmt.Errorf("must be a name for a network interface, of letters, digits, dot, dash and underscore, is %s", quote(text))
	case text == "lo" || text == "all" || text == "default":
		return "", fmt.Errorf("is %s, a name that the kernel has a use for: choose another", text)
	}
	return text, nil
}

// printable reports whether text can be shown, logged and handed to a C library.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
