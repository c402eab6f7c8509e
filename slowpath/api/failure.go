package api

import (
	"errors"
	"fmt"
	"net/http"
)

// The codes of failures, which programs can tell apart; the sentences are for people.
const (
	codeBadRequest   = "bad_request"
	codeNotFound     = "not_found"
	codeMethod       = "method_not_allowed"
	codeConflict     = "conflict"
	codeStale        = "stale"
	codeTooLarge     = "too_large"
	codeInvalid      = "invalid_configuration"
	codeNeedsRestart = "needs_restart"
	codeRefused      = "refused"
	codeTooMany      = "too_many"
	codeInternal     = "internal"
)

// failure is an error with the HTTP status and the code it is told under.
type failure struct {
	status  int
	code    string
	message string
}

func (f failure) Error() string { return f.message }

func failf(status int, code, format string, args ...any) error {
	return failure{status, code, fmt.Sprintf(format, args...)}
}

// NotFound is the error about something that is not there.
func NotFound(format string, args ...any) error {
	return failf(http.StatusNotFound, codeNotFound, format, args...)
}

// Conflict is the error about something that what there is stands against.
func Conflict(format string, args ...any) error {
	return failf(http.StatusConflict, codeConflict, format, args...)
}

// ErrStale is the error about a change that was meant for another revision of the configuration.
type ErrStale struct{ Now string }

func (e ErrStale) Error() string {
	return fmt.Sprintf("the configuration is not what this change was meant for: its revision is %s now; look at it again", e.Now)
}

// Invalid is the error about a configuration with errors, a line each.
type Invalid struct{ Err error }

func (e Invalid) Error() string { return e.Err.Error() }
func (e Invalid) Unwrap() error { return e.Err }

// NeedsRestart is the error about a configuration that a running daemon cannot change to, a line for each reason.
type NeedsRestart struct{ Err error }

func (e NeedsRestart) Error() string { return e.Err.Error() }
func (e NeedsRestart) Unwrap() error { return e.Err }

// failed is the failure that an error is told as. What a controller refuses for any other reason is a 422.
func failed(err error) failure {
	var f failure
	var stale ErrStale
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &stale):
		return failure{http.StatusPreconditionFailed, codeStale, err.Error()}
	case errors.As(err, new(Invalid)):
		return failure{http.StatusUnprocessableEntity, codeInvalid, err.Error()}
	case errors.As(err, new(NeedsRestart)):
		return failure{http.StatusUnprocessableEntity, codeNeedsRestart, err.Error()}
	case errors.As(err, &tooLarge):
		return failure{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("the body of a request has at most %d bytes", tooLarge.Limit)}
	}
	return failure{http.StatusUnprocessableEntity, codeRefused, err.Error()}
}

// message is what a client gets of a failure.
type message struct {
	Error string `json:"error"` // a sentence, or several, a line each
	Code  string `json:"code"`
}
