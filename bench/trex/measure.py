"""The four measurements. Each returns the list that becomes "results" of the result file; see ../chart/README.md."""

import packets
import search
import streams


class Bench:
    """A generator and the traffic it sends. reply is (backend, port, MAC of Weir's port to it), or None for one way."""

    def __init__(self, api, generator, traffic, gbps, learn_pps, reply=None, report=print):
        self.api, self.generator, self.traffic, self.gbps = api, generator, traffic, gbps
        self.learn_pps, self.reply, self.report = learn_pps, reply, report

    def frame(self, size):
        """The size that is sent: some packets do not fit into the smallest frames, tunnels not into the largest."""
        if size == "imix":
            return size
        size = packets.parts(size, self.traffic.outer)[0][0]
        return max(size, packets.smallest(streams.family(self.traffic), self.traffic.protocol))

    def learn(self):
        return streams.learn(self.api, self.traffic, self.learn_pps)

    def load(self, size):
        out = {self.generator.tx: streams.load(self.api, self.traffic, size)}
        if self.reply:
            backend, port, mac = self.reply
            out[self.generator.rx] = streams.replies(self.api, self.traffic._replace(mac=mac), size, backend, port)
        return out

    def line_pps(self, size):
        return packets.line_pps(self.gbps, self.frame(size), self.traffic.outer)

    def send(self, size, percent, seconds, load=None, **kw):
        """A trial, and what else was counted. load: other streams than those of the flows."""
        pps = self.line_pps(size) * percent / 100
        load = load or self.load(size)
        counted = self.generator.run(load, pps, seconds, learn=self.learn(), **kw)
        trial = search.Trial(percent, seconds, int(pps * seconds) * len(load), counted.sent, counted.received)
        self.report("%5s bytes  %6.2f %%  %10d sent  %10d lost" % (
            size, percent, trial.sent, max(0, trial.sent - trial.received)))
        return trial, counted

    def trial(self, size):
        return lambda percent, seconds: self.send(size, percent, seconds)[0]


def describe(trial):
    return {"percent": trial.percent, "seconds": trial.seconds, "pps": trial.sent / trial.seconds, "sent": trial.sent,
            "received": trial.received, "loss": search.loss(trial)}


def head(bench, size):
    return {"size": bench.frame(size), "line_pps": bench.line_pps(size)}


def ndr(bench, sizes, plan):
    """The no-drop rate of every size: RFC 2544 section 26.1."""
    out = []
    for size in sizes:
        found = search.throughput(bench.trial(size), plan)
        result = head(bench, size)
        result.update(percent=found.percent or 0, pps=0, gbps=0, limited_by=found.limited_by, confirmed=found.confirmed,
                      trials=[describe(t) for t in found.trials])
        if found.trial:
            result["pps"] = found.trial.sent / found.trial.seconds
            result["gbps"] = bench.gbps * result["pps"] / bench.line_pps(size)
        bench.report("%5s bytes: %.3f Mpps without loss, limited by the %s" % (size, result["pps"] / 1e6, found.limited_by))
        out.append(result)
    return out


def frame_loss(bench, sizes, plan, step):
    """The loss at every load: RFC 2544 section 26.3."""
    out = []
    for size in sizes:
        result = head(bench, size)
        result["points"] = [describe(t) for t in search.frame_loss(bench.trial(size), plan, step)]
        out.append(result)
    return out


def microseconds(latency):
    if latency is None:
        return None
    return {"samples": latency.samples, "lost": latency.lost, "min": latency.min, "mean": latency.mean, "p50": latency.p50,
            "p99": latency.p99, "p999": latency.p999, "max": latency.max, "jitter": latency.jitter}


def latency(bench, sizes, plan, shares, seconds, stamped_pps, bases):
    """Latency at shares of the no-drop rate, after RFC 2544 section 26.2. bases: the rates that are known, by size."""
    out = []
    for size in sizes:
        base = bases.get(bench.frame(size))
        if base is None:
            base = search.throughput(bench.trial(size), plan).percent or 0
        result = head(bench, size)
        result.update(base_percent=base, points=[])
        for share in shares if base > 0 else ():
            load = bench.load(size)
            load[bench.generator.tx] += streams.latency(bench.api, bench.traffic, size, stamped_pps)
            trial, counted = bench.send(size, base * share, seconds, load, groups=[streams.LATENCY_PG])
            point = describe(trial)
            point.update(share=share, us=microseconds(counted.groups[streams.LATENCY_PG]))
            result["points"].append(point)
        out.append(result)
    return out


def synflood(bench, sizes, shares, seconds, stamped_pps):
    """Shares of line rate in SYNs from random sources, beside connections that were there before and want to live."""
    out = []
    for size in sizes:
        result = head(bench, size)
        result["points"] = []
        for share in shares:
            load = {bench.generator.tx: streams.synflood(bench.api, bench.traffic, size) +
                    streams.latency(bench.api, bench.traffic, size, stamped_pps, streams.BYSTANDER_PG)}
            trial, counted = bench.send(size, 100 * share, seconds, load, groups=[streams.BYSTANDER_PG])
            point = describe(trial)
            point.update(forwarded_pps=trial.received / trial.seconds,
                         bystanders=microseconds(counted.groups[streams.BYSTANDER_PG]))
            result["points"].append(point)
        out.append(result)
    return out
