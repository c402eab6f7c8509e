package conf

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxFile bounds the size of a file in bytes. maxBackends backends take two thirds of it.
const maxFile = 64 << 20

// Load reads a configuration, with the environment's values in the place of the file's. The error is all that is wrong
// with it, as Errors, or a sentence that tells why the file cannot be read.
func Load(file string) (*Config, error) { return load(file, os.O_RDONLY) }

// LoadRegular is Load for a process that has other things to do meanwhile: what may keep a reader waiting for ever, such as a
// FIFO, is an error.
func LoadRegular(file string) (*Config, error) {
	return load(file, os.O_RDONLY|unix.O_NONBLOCK) // opening a FIFO waits, too
}

func load(file string, flags int) (*Config, error) {
	data, err := readFile(file, flags)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(file, data)
}

// Parse is Load for the text of a file that has been read already.
func Parse(file string, data []byte) (*Config, error) {
	p := &problems{file: file}
	readEnvironment(p)
	cfg := parse(p, data)
	if err := p.found(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// parse makes a configuration of what a file holds. It is valid if p has no errors.
func parse(p *problems, data []byte) *Config {
	cfg := &Config{File: p.file, Text: data}
	if root := mended(p, data); root.exists() {
		readTree(p, root, cfg)
	}
	return cfg
}

// readTree is parse for what has been taken apart already.
func readTree(p *problems, root value, cfg *Config) {
	readSection(root, rootFields, cfg)
	if !p.tooLong() {
		setLines(root, cfg)
		takeGroups(cfg)
		check(root, cfg)
		cfg.Warnings = p.warned()
	}
}

// setLines notes where services and backends stand.
func setLines(root value, cfg *Config) {
	services := root.field("services")
	for i := range cfg.Services {
		s := &cfg.Services[i]
		at := services.item(i)
		s.Line = at.line
		linesOf(at.field("backends"), s.Backends)
	}
	groups := root.field("backend_groups")
	for i := range cfg.BackendGroups {
		g := &cfg.BackendGroups[i]
		at := groups.item(i)
		g.Line = at.line
		linesOf(at.field("backends"), g.Backends)
	}
}

func linesOf(list value, backends []Backend) {
	for i := range backends {
		backends[i].Line = list.item(i).line
	}
}

func readFile(file string, flags int) ([]byte, error) {
	f, err := os.OpenFile(file, flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if flags&unix.O_NONBLOCK != 0 {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, errors.Join(err, fmt.Errorf("%s is no regular file: put one in its place", file))
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, maxFile>>20)
	}
	return data, nil
}

// PortIndex finds a port by its name.
func (c *Config) PortIndex(name string) (int, bool) {
	for i := range c.Ports {
		if c.Ports[i].Name == name {
			return i, true
		}
	}
	return 0, false
}
