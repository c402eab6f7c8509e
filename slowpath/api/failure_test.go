package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestEveryCodeIsDocumentedWithItsStatus(t *testing.T) {
	manual, err := os.ReadFile("../../docs/api/README.md")
	if err != nil {
		t.Fatal(err)
	}
	some := errors.New("some")
	for _, err := range []error{
		failf(http.StatusBadRequest, codeBadRequest, ""), NotFound(""), failf(http.StatusMethodNotAllowed, codeMethod, ""), Conflict(""), ErrStale{},
		&http.MaxBytesError{}, Invalid{some}, NeedsRestart{some}, some, failf(http.StatusServiceUnavailable, codeTooMany, ""),
		failf(http.StatusInternalServerError, codeInternal, ""),
	} {
		f := failed(fmt.Errorf("wrapped: %w", err))
		if row := fmt.Sprintf("| `%s` | %d |", f.code, f.status); !strings.Contains(string(manual), row) {
			t.Errorf("docs/api/README.md has no row %s", row)
		}
	}
}
