package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// FileUse is a file of Weir's machine that the configuration names.
type FileUse struct {
	Path    string
	Program bool // it is to be run; otherwise it is to be read
	Line    int  // where it is named
	Key     string
}

// uses notes a file, if one is named.
func (c *checker) uses(at value, path string, program bool) {
	if path != "" && at.exists() {
		c.cfg.Files = append(c.cfg.Files, FileUse{path, program, at.line, at.path.String()})
	}
}

// CheckFiles looks for the files that a valid configuration names, on this machine. The error is all that are not as they
// should be, as Errors.
func (c *Config) CheckFiles() error {
	p := &problems{file: c.File}
	looked := map[FileUse]bool{}
	for _, f := range c.Files {
		once := f
		once.Key = "" // a section that has aliases is read once for each
		if looked[once] {
			continue
		}
		looked[once] = true
		if err := f.check(); err != nil {
			p.add(Error{File: c.File, Line: f.Line, Key: f.Key, Msg: err.Error()})
		}
	}
	if len(p.list) == 0 {
		c.checkCredentials(p)
	}
	return p.found()
}

func (f *FileUse) check() error {
	info, err := os.Stat(f.Path)
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", f.Path)
	case errors.As(err, &at):
		return fmt.Errorf("%s cannot be looked at: %w", f.Path, at.Err)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", f.Path)
	case f.Program && info.Mode()&0o111 == 0:
		return fmt.Errorf("%s cannot be run: chmod +x it", f.Path)
	case f.Program:
		return nil
	}
	file, err := os.Open(f.Path)
	if err != nil {
		if errors.As(err, &at) {
			err = at.Err
		}
		return fmt.Errorf("%s cannot be read: %w", f.Path, err)
	}
	return file.Close()
}
