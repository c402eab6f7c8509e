package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var serviceColumns = []column[Service]{
	{"NAME", left, func(s Service) string { return s.Name }},
	{"ADDRESS", left, func(s Service) string { return s.Address }},
	{"PROTO", left, func(s Service) string { return s.Protocol }},
	{"MODE", left, func(s Service) string { return s.Mode }},
	{"SCHEDULER", left, func(s Service) string { return s.Scheduler }},
	{"STATE", left, func(s Service) string { return s.State }},
	{"UP", right, func(s Service) string { return fmt.Sprintf("%d/%d", s.BackendsUp, s.Backends) }},
	{"ACTIVE", right, func(s Service) string { return strconv.Itoa(s.Active) }},
	{"INACTIVE", right, func(s Service) string { return strconv.Itoa(s.Inactive) }},
	{"LIMIT", right, func(s Service) string { return limit(s.ConnectionLimit) }},
	{"CONNS", right, func(s Service) string { return count(s.Connections) }},
	{"PKTS-IN", right, func(s Service) string { return count(s.PacketsIn) }},
	{"PKTS-OUT", right, func(s Service) string { return count(s.PacketsOut) }},
	{"BYTES-IN", right, func(s Service) string { return size(s.BytesIn) }},
	{"BYTES-OUT", right, func(s Service) string { return size(s.BytesOut) }},
	{"SHARES", left, func(s Service) string { return shares(s.Shares) }},
}

// shares lists what each backend gets, in their order; of many only the extremes and how many they are.
func shares(list []Share) string {
	const most = 8
	sum, low, high := 0.0, 1.0, 0.0
	cells := make([]string, len(list))
	for i, s := range list {
		sum, low, high = sum+s.Share, min(low, s.Share), max(high, s.Share)
		cells[i] = percent(s.Share)
	}
	switch {
	case sum == 0:
		return ""
	case len(list) > most:
		return fmt.Sprintf("%s to %s of %d", percent(low), percent(high), len(list))
	}
	return strings.Join(cells, " ")
}

func backendColumns(now time.Time) []column[Backend] {
	return []column[Backend]{
		{"SERVICE", left, func(b Backend) string { return b.Service }},
		{"ADDRESS", left, func(b Backend) string { return b.Address }},
		{"WEIGHT", right, func(b Backend) string { return strconv.Itoa(b.Weight) }},
		{"EFFECTIVE", right, func(b Backend) string { return strconv.FormatFloat(b.Effective, 'g', 6, 64) }},
		{"STATE", left, func(b Backend) string { return b.State }},
		{"CHANGED", left, func(b Backend) string { return b.Changed }},
		{"ACTIVE", right, func(b Backend) string { return strconv.Itoa(b.Active) }},
		{"INACTIVE", right, func(b Backend) string { return strconv.Itoa(b.Inactive) }},
		{"UPPER", right, func(b Backend) string { return limit(b.UpperThreshold) }},
		{"CONNS", right, func(b Backend) string { return count(b.Connections) }},
		{"FAILED", right, func(b Backend) string { return count(b.Failures.Sum()) }},
		{"SHARE", right, func(b Backend) string { return percent(b.Share) }},
		{"PKTS-IN", right, func(b Backend) string { return count(b.PacketsIn) }},
		{"PKTS-OUT", right, func(b Backend) string { return count(b.PacketsOut) }},
		{"BYTES-IN", right, func(b Backend) string { return size(b.BytesIn) }},
		{"BYTES-OUT", right, func(b Backend) string { return size(b.BytesOut) }},
		{"SINCE", right, func(b Backend) string { return since(b.HealthSince, now) }},
		{"LATENCY", right, func(b Backend) string { return latency(b.Latency) }},
		{"HEALTH", left, func(b Backend) string { return b.Health }},
		{"LAST-ERROR", left, func(b Backend) string { return lastError(b, now) }},
	}
}

// limit is empty if there is none.
func limit(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// lastError is empty while it is the outcome shown beside it.
func lastError(b Backend, now time.Time) string {
	if b.LastErrorAt == 0 || b.LastError == b.Health {
		return ""
	}
	return fmt.Sprintf("%s, %s ago", b.LastError, since(b.LastErrorAt, now))
}

var connectionColumns = []column[Connection]{
	{"PROTO", left, func(c Connection) string { return c.Protocol }},
	{"CLIENT", left, func(c Connection) string { return c.Client }},
	{"VIP", left, func(c Connection) string { return c.VIP }},
	{"LOCAL", left, func(c Connection) string { return c.Local }},
	{"BACKEND", left, func(c Connection) string { return c.Backend }},
	{"SERVICE", left, func(c Connection) string { return c.Service }},
	{"STATE", left, func(c Connection) string { return c.State }},
	{"EXPIRES", right, func(c Connection) string { return span(c.Expires) }},
	{"WORKER", right, func(c Connection) string { return strconv.Itoa(c.Worker) }},
}

var templateColumns = []column[Template]{
	{"SERVICE", left, func(t Template) string { return t.Service }},
	{"CLIENT", left, func(t Template) string { return t.Client }},
	{"BACKEND", left, func(t Template) string { return t.Backend }},
	{"CONNS", right, func(t Template) string { return strconv.Itoa(t.Connections) }},
	{"EXPIRES", right, func(t Template) string { return span(t.Expires) }},
}

var workerColumns = []column[Worker]{
	{"WORKER", right, func(w Worker) string { return strconv.Itoa(w.ID) }},
	{"CORE", right, func(w Worker) string { return core(w.Core) }},
	{"BUSY", right, func(w Worker) string { return percent(w.BusyShare) }},
	{"CYCLES/PKT", right, func(w Worker) string { return cycles(w.CyclesPerPacket) }},
	{"PKTS-IN", right, func(w Worker) string { return count(w.PacketsIn) }},
	{"PKTS-OUT", right, func(w Worker) string { return count(w.PacketsOut) }},
	{"OWN", right, func(w Worker) string { return count(w.Own) }},
	{"DROPPED", right, func(w Worker) string { return count(w.Dropped) }},
	{"PUNTED", right, func(w Worker) string { return count(w.Punted) }},
	{"HANDED-OVER", right, func(w Worker) string { return count(w.HandedOver) }},
	{"CONNS", right, func(w Worker) string { return strconv.Itoa(w.Connections) }},
	{"MAX", right, func(w Worker) string { return strconv.Itoa(w.MaxConnections) }},
	{"EVICTED", right, func(w Worker) string { return count(w.Evicted) }},
	{"STEERING", left, func(w Worker) string { return w.Steering }},
	{"QUEUES", left, func(w Worker) string { return queues(w.Queues) }},
}

// cycles is empty without packets.
func cycles(n float64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

// queues tells how full those are that are not empty.
func queues(list []Queue) string {
	var cells []string
	for _, q := range list {
		if q.Used > 0 && q.Size > 0 {
			cells = append(cells, q.Name+" "+percent(float64(q.Used)/float64(q.Size)))
		}
	}
	return strings.Join(cells, " ")
}

func core(n int) string {
	if n < 0 {
		return "any"
	}
	return strconv.Itoa(n)
}

var portColumns = []column[Port]{
	{"NAME", left, func(p Port) string { return p.Name }},
	{"LINK", left, func(p Port) string { return p.Link }},
	{"MAC", left, func(p Port) string { return p.MAC }},
	{"MTU", right, func(p Port) string { return strconv.Itoa(p.MTU) }},
	{"QUEUES", right, func(p Port) string { return strconv.Itoa(p.Queues) }},
	{"LOCAL-PORTS", left, func(p Port) string { return p.LocalPorts }},
	{"PKTS-IN", right, func(p Port) string { return count(p.PacketsIn) }},
	{"PKTS-OUT", right, func(p Port) string { return count(p.PacketsOut) }},
	{"BYTES-IN", right, func(p Port) string { return size(p.BytesIn) }},
	{"BYTES-OUT", right, func(p Port) string { return size(p.BytesOut) }},
	{"MISSED", right, func(p Port) string { return count(p.Missed) }},
	{"ERR-IN", right, func(p Port) string { return count(p.ErrorsIn) }},
	{"ERR-OUT", right, func(p Port) string { return count(p.ErrorsOut) }},
	{"NO-BUFFER", right, func(p Port) string { return count(p.NoBuffers) }},
	{"FREE", right, func(p Port) string { return fmt.Sprintf("%d/%d", p.BuffersFree, p.Buffers) }},
	{"TAP", left, func(p Port) string { return p.TAP }},
	{"CHANGED", left, func(p Port) string { return strings.Join(p.Changed, ", ") }},
	{"DRIVER", left, func(p Port) string { return p.Driver }},
	{"DEVICE", left, func(p Port) string { return p.Device }},
	{"ADDRESSES", left, func(p Port) string { return strings.Join(p.Addresses, " ") }},
}

var neighborColumns = []column[Neighbor]{
	{"PORT", left, func(n Neighbor) string { return n.Port }},
	{"ADDRESS", left, func(n Neighbor) string { return n.Address }},
	{"MAC", left, func(n Neighbor) string { return n.MAC }},
	{"STATE", left, func(n Neighbor) string { return n.State }},
	{"AGE", right, func(n Neighbor) string {
		if n.State == "static" {
			return ""
		}
		return span(n.Age)
	}},
	{"QUEUED", right, func(n Neighbor) string { return strconv.Itoa(n.Queued) }},
}

var dropColumns = []column[Drop]{
	{"REASON", left, func(d Drop) string { return d.Reason }},
	{"WORKER", right, func(d Drop) string { return WorkerName(d.Worker) }},
	{"PACKETS", right, func(d Drop) string { return count(d.Packets) }},
	{"MEANING", left, func(d Drop) string { return d.Help }},
}

var portDropColumns = []column[PortDrop]{
	{"REASON", left, func(d PortDrop) string { return d.Reason }},
	{"PORT", left, func(d PortDrop) string { return d.Port }},
	{"PACKETS", right, func(d PortDrop) string { return count(d.Packets) }},
	{"MEANING", left, func(d PortDrop) string { return d.Help }},
}

var serviceDropColumns = []column[ServiceDrop]{
	{"REASON", left, func(d ServiceDrop) string { return d.Reason }},
	{"SERVICE", left, func(d ServiceDrop) string { return d.Service }},
	{"PACKETS", right, func(d ServiceDrop) string { return count(d.Packets) }},
	{"MEANING", left, func(d ServiceDrop) string { return d.Help }},
}

// WorkerName is what a Drop's worker is called in tables and metrics.
func WorkerName(worker int) string {
	if worker < 0 {
		return "slowpath"
	}
	return strconv.Itoa(worker)
}

// happened is the drops that are not 0, the most frequent first.
func happened[T any](drops []T, packets func(T) uint64) []T {
	some := slices.DeleteFunc(slices.Clone(drops), func(d T) bool { return packets(d) == 0 })
	slices.SortStableFunc(some, func(a, b T) int { return cmp.Compare(packets(b), packets(a)) })
	return some
}
