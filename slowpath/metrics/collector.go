package metrics

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirlb/weir/slowpath/view"
)

// collector reads a source at every scrape: it keeps no figures of its own, so that the metrics are
// what weir show prints.
type collector struct {
	src    view.Source
	limits Limits
}

// Limits bound how many services and backends have series of their own. Totals are of all.
type Limits struct{ Services, Backends int }

// NewCollector returns the metrics of a daemon. It may be collected by several goroutines at a time.
func NewCollector(src view.Source, limits Limits) prometheus.Collector { return collector{src, limits} }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range families {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	collectDaemon(ch, c.src.Daemon())
	m := c.src.Metered(c.limits.Services, c.limits.Backends)
	collectTotals(ch, &m)
	locals := map[string]int{} // services may share them
	for i := range m.Services {
		collectService(ch, &m.Services[i])
		for _, l := range m.Services[i].Locals {
			locals[l.Address] = l.Ports
		}
	}
	for address, ports := range locals {
		localPorts.send(ch, float64(ports), address)
	}
	for i := range m.Backends {
		collectBackend(ch, &m.Backends[i])
	}
	for _, w := range c.src.Workers() {
		collectWorker(ch, w)
	}
	ports := c.src.Ports()
	for _, p := range ports {
		collectPort(ch, p)
	}
	collectNeighbors(ch, ports, c.src.Neighbors())
	for _, d := range c.src.Drops() {
		drops.send(ch, float64(d.Packets), view.WorkerName(d.Worker), d.Reason)
	}
	for _, d := range c.src.PortDrops() {
		portDrops.send(ch, float64(d.Packets), d.Port, d.Reason)
	}
	named := make(map[string]bool, len(m.Services))
	for i := range m.Services {
		named[m.Services[i].Name] = true
	}
	for _, d := range c.src.ServiceDrops() {
		if m.ServicesOut > 0 && !named[d.Service] {
			continue
		}
		serviceDrops.send(ch, float64(d.Packets), d.Service, d.Reason)
	}
}

func collectDaemon(ch chan<- prometheus.Metric, d view.Daemon) {
	buildInfo.send(ch, 1, d.Version, runtime.Version())
	configInfo.send(ch, 1, d.Config)
	configGeneration.send(ch, float64(d.Generation))
	hugepages.send(ch, truth(d.Hugepages))
	startTime.send(ch, float64(d.StartUnix))
	clock.send(ch, d.ClockHertz)
	captures.send(ch, float64(d.Captures.Running))
	capturePackets.send(ch, float64(d.Captures.Packets))
	reloads.send(ch, float64(d.Reloads.Applied), "applied")
	reloads.send(ch, float64(d.Reloads.Refused), "refused")
	changedBackends.send(ch, float64(d.Changed))
	watchers.send(ch, float64(d.Watchers))
	captureLost.send(ch, float64(d.Captures.Lost))
}

func collectTotals(ch chan<- prometheus.Metric, m *view.Metered) {
	t := &m.Totals
	for state, n := range t.ServiceStates {
		services.send(ch, float64(n), state)
	}
	for state, n := range t.BackendStates {
		backends.send(ch, float64(n), state)
	}
	leftOut.send(ch, float64(m.ServicesOut), "service")
	leftOut.send(ch, float64(m.BackendsOut), "backend")
	connections.send(ch, float64(t.Active), "active")
	connections.send(ch, float64(t.Inactive), "inactive")
	connectionsTotal.send(ch, float64(t.Connections))
	connectionsFailed.sendFailures(ch, &t.Failures)
	suspicions.send(ch, float64(t.Suspected))
	packets.send(ch, float64(t.PacketsIn), "in")
	packets.send(ch, float64(t.PacketsOut), "out")
	bytes.send(ch, float64(t.BytesIn), "in")
	bytes.send(ch, float64(t.BytesOut), "out")
}

// sendFailures gives a scrape one value for each way to fail, the last of the labels.
func (f family) sendFailures(ch chan<- prometheus.Metric, n *view.Failures, labels ...string) {
	f.send(ch, float64(n.Unanswered), append(labels, "unanswered")...)
	f.send(ch, float64(n.Refused), append(labels, "refused")...)
	f.send(ch, float64(n.Resets), append(labels, "reset")...)
}

func collectService(ch chan<- prometheus.Metric, s *view.Service) {
	serviceInfo.send(ch, 1, s.Name, s.Address, s.Protocol, s.Mode, s.Scheduler)
	serviceUp.send(ch, truth(s.State == "up"), s.Name)
	serviceSince.send(ch, float64(s.Since), s.Name)
	serviceBackends.send(ch, float64(s.Backends), s.Name)
	serviceBackendsUp.send(ch, float64(s.BackendsUp), s.Name)
	serviceConnections.send(ch, float64(s.Active), s.Name, "active")
	serviceConnections.send(ch, float64(s.Inactive), s.Name, "inactive")
	if s.ConnectionLimit != 0 {
		serviceConnectionLimit.send(ch, float64(s.ConnectionLimit), s.Name)
	}
	if s.RateLimit != 0 {
		serviceRateLimit.send(ch, float64(s.RateLimit), s.Name)
	}
	serviceTemplates.send(ch, float64(s.Templates), s.Name)
	serviceConnectionsTotal.send(ch, float64(s.Connections), s.Name)
	serviceFailed.sendFailures(ch, &s.Failures, s.Name)
	if s.Setup.Count > 0 {
		serviceSetup.sendDurations(ch, setupBuckets, s.Setup, s.Name)
	}
	servicePackets.send(ch, float64(s.PacketsIn), s.Name, "in")
	servicePackets.send(ch, float64(s.PacketsOut), s.Name, "out")
	serviceBytes.send(ch, float64(s.BytesIn), s.Name, "in")
	serviceBytes.send(ch, float64(s.BytesOut), s.Name, "out")
}

func collectBackend(ch chan<- prometheus.Metric, b *view.Backend) {
	backendUp.send(ch, truth(b.State != "down"), b.Service, b.Address)
	backendWeight.send(ch, float64(b.Weight), b.Service, b.Address)
	backendEffectiveWeight.send(ch, b.Effective, b.Service, b.Address)
	if b.UpperThreshold != 0 {
		backendUpper.send(ch, float64(b.UpperThreshold), b.Service, b.Address)
		backendLower.send(ch, float64(b.LowerThreshold), b.Service, b.Address)
		backendFull.send(ch, truth(b.State == "full"), b.Service, b.Address)
	}
	if b.HealthSince != 0 {
		backendHealthSince.send(ch, float64(b.HealthSince), b.Service, b.Address)
		backendChecks.send(ch, float64(b.ChecksPassed), b.Service, b.Address, "passed")
		backendChecks.send(ch, float64(b.ChecksFailed), b.Service, b.Address, "failed")
		backendChecks.send(ch, float64(b.ChecksNotAsked), b.Service, b.Address, "not_asked")
		backendSuspected.send(ch, float64(b.Suspected), b.Service, b.Address)
		backendChanges.send(ch, float64(b.Changes), b.Service, b.Address)
	}
	if b.LastErrorAt != 0 {
		backendLastError.send(ch, float64(b.LastErrorAt), b.Service, b.Address)
	}
	if b.Latency != 0 {
		backendLatency.send(ch, b.Latency, b.Service, b.Address)
	}
	backendConnections.send(ch, float64(b.Active), b.Service, b.Address, "active")
	backendConnections.send(ch, float64(b.Inactive), b.Service, b.Address, "inactive")
	backendConnectionsTotal.send(ch, float64(b.Connections), b.Service, b.Address)
	backendFailed.sendFailures(ch, &b.Failures, b.Service, b.Address)
	backendPackets.send(ch, float64(b.PacketsIn), b.Service, b.Address, "in")
	backendPackets.send(ch, float64(b.PacketsOut), b.Service, b.Address, "out")
	backendBytes.send(ch, float64(b.BytesIn), b.Service, b.Address, "in")
	backendBytes.send(ch, float64(b.BytesOut), b.Service, b.Address, "out")
}

func collectWorker(ch chan<- prometheus.Metric, w view.Worker) {
	id := strconv.Itoa(w.ID)
	core := ""
	if w.Core >= 0 {
		core = strconv.Itoa(w.Core)
	}
	workerInfo.send(ch, 1, id, core, w.Steering)
	workerPackets.send(ch, float64(w.PacketsIn), id, "in")
	workerPackets.send(ch, float64(w.PacketsOut), id, "out")
	workerOwn.send(ch, float64(w.Own), id)
	workerDropped.send(ch, float64(w.Dropped), id)
	workerPunted.send(ch, float64(w.Punted), id)
	workerHandedOver.send(ch, float64(w.HandedOver), id)
	workerFragments.send(ch, float64(w.FragmentsWait), id)
	workerConnections.send(ch, float64(w.Connections), id)
	workerMaxConnections.send(ch, float64(w.MaxConnections), id)
	workerEvicted.send(ch, float64(w.Evicted), id)
	workerTemplatesEvicted.send(ch, float64(w.TemplatesEvicted), id)
	workerTemplatesFull.send(ch, float64(w.TemplatesFull), id)
	workerLocalPortsElsewhere.send(ch, float64(w.LocalPortsElsewhere), id)
	workerBusy.send(ch, w.BusyShare, id)
	workerBusySeconds.send(ch, w.BusySeconds, id)
	workerCycles.send(ch, w.CyclesPerPacket, id)
	workerPolls.send(ch, float64(w.Polls), id)
	workerBusyPolls.send(ch, float64(w.BusyPolls), id)
	workerPollGap.sendDurations(ch, gapBuckets, w.PollGaps, id)
	for _, q := range w.Queues {
		unit := "bytes"
		if q.Name == "handover" {
			unit = "frames"
		}
		workerQueueUsed.send(ch, float64(q.Used), id, q.Name, unit)
		workerQueueSize.send(ch, float64(q.Size), id, q.Name, unit)
	}
}

func collectPort(ch chan<- prometheus.Metric, p view.Port) {
	portInfo.send(ch, 1, p.Name, p.Device, p.Driver, p.MAC, p.TAP, p.LocalPorts)
	for _, a := range p.Addresses {
		portAddress.send(ch, 1, p.Name, a)
	}
	portLinkUp.send(ch, truth(p.Link == "up"), p.Name)
	portMTU.send(ch, float64(p.MTU), p.Name)
	portQueues.send(ch, float64(p.Queues), p.Name)
	portPackets.send(ch, float64(p.PacketsIn), p.Name, "in")
	portPackets.send(ch, float64(p.PacketsOut), p.Name, "out")
	portBytes.send(ch, float64(p.BytesIn), p.Name, "in")
	portBytes.send(ch, float64(p.BytesOut), p.Name, "out")
	portMissed.send(ch, float64(p.Missed), p.Name)
	portErrors.send(ch, float64(p.ErrorsIn), p.Name, "in")
	portErrors.send(ch, float64(p.ErrorsOut), p.Name, "out")
	portNoBuffers.send(ch, float64(p.NoBuffers), p.Name)
	portRSSStrays.send(ch, float64(p.RSSStrays), p.Name)
	portBuffersFree.send(ch, float64(p.BuffersFree), p.Name)
	portBuffers.send(ch, float64(p.Buffers), p.Name)
}

// neighborStates are reported for every port, 0 included, so that an alert on failed ones has something
// to compare with.
var neighborStates = []string{"static", "incomplete", "reachable", "stale", "failed"}

func collectNeighbors(ch chan<- prometheus.Metric, ports []view.Port, all []view.Neighbor) {
	type group struct{ port, state string }
	entries := map[group]int{}
	queued := map[string]int{}
	for _, p := range ports {
		queued[p.Name] = 0
		for _, state := range neighborStates {
			entries[group{p.Name, state}] = 0
		}
	}
	for _, n := range all {
		entries[group{n.Port, n.State}]++
		queued[n.Port] += n.Queued
	}
	for g, n := range entries {
		neighbors.send(ch, float64(n), g.port, g.state)
	}
	for port, n := range queued {
		neighborQueued.send(ch, float64(n), port)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
