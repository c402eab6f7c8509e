package view

import "time"

// Event is something that happened in the running daemon.
type Event struct {
	Number uint64    `json:"number"` // grows by one with each; a gap means that some were not asked for
	Time   time.Time `json:"time"`
	Type   string    `json:"type"` // one of EventTypes
	Text   string    `json:"text"` // what happened, for people
	// What it is about, as far as it is about that.
	Service string `json:"service,omitempty"`
	Backend string `json:"backend,omitempty"`
	Port    string `json:"port,omitempty"`
	Address string `json:"address,omitempty"` // of a neighbour
	// State is what it is in now: up or down; of a reload applied or refused; of a neighbour reachable, failed or conflict.
	State    string   `json:"state,omitempty"`
	Weight   *int     `json:"weight,omitempty"`
	Changes  []string `json:"changes,omitempty"`  // of a reload, a line each
	Revision string   `json:"revision,omitempty"` // of the configuration, after what changed it
	By       string   `json:"by,omitempty"`       // who asked for it
}

// The types of events.
const (
	EventWatching = "watching" // the first that a watcher gets: events follow
	EventAlive    = "alive"    // nothing has happened for a while
	EventReload   = "reload"
	EventSaved    = "saved" // changes made at run time were written to the file
	EventBackend  = "backend"
	EventService  = "service"
	EventWeight   = "weight"
	EventDrain    = "drain"   // a drain began, or was undone
	EventDrained  = "drained" // it has no connections left
	EventAdded    = "added"
	EventRemoved  = "removed"
	EventNeighbor = "neighbor"
	EventPort     = "port"
	EventBehind   = "behind" // the watcher did not keep up: no more follow
	EventStopping = "stopping"
)

// EventTypes are all of them.
var EventTypes = []string{
	EventWatching, EventAlive, EventReload, EventSaved, EventBackend, EventService, EventWeight, EventDrain, EventDrained,
	EventAdded, EventRemoved, EventNeighbor, EventPort, EventBehind, EventStopping,
}

// Configuration is the configuration in force.
type Configuration struct {
	File     string `json:"file"`
	Revision string `json:"revision"`
	// Document is the file as it was loaded, with the changes made at run time written in: what saving writes.
	Document string `json:"document"`
	// Effective is every key with its value, in YAML.
	Effective string `json:"effective,omitempty"`
	// Changes are those made at run time since the file was loaded, a line each.
	Changes []string `json:"changes"`
}

// Reload is what a reload did, or would do.
type Reload struct {
	Changes []string `json:"changes"`
	// NeedsRestart are the changes that a running daemon cannot make, if it was only asked.
	NeedsRestart []string `json:"needs_restart"`
	// Warnings are about what the file says to no effect.
	Warnings []string `json:"warnings"`
	DryRun   bool     `json:"dry_run"`
}
