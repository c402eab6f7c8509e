"""TRex as the generator: what is sent where, what came back. All calls to TRex's client stand here."""

import collections
import math
import time

# What one run counted: frames that were sent and that arrived at the other port, and the latency of packet groups.
Counted = collections.namedtuple("Counted", "sent received groups")

# Latency of a packet group in microseconds. TRex keeps a histogram with a digit and a half; a percentile is the upper end
# of the bucket that it falls into.
Latency = collections.namedtuple("Latency", "samples lost min mean p50 p99 p999 max jitter")


def load_api():
    """TRex's stateless API. Where it lies, TRex's documentation and the README here say."""
    try:
        import trex.stl.api as api
    except ImportError as first:
        try:
            import trex_stl_lib.api as api
        except ImportError:
            raise ImportError("TRex's Python API is not there (%s): put automation/trex_control_plane/interactive of TRex "
                              "into PYTHONPATH" % first)
    return api


def bucket_end(start):
    """Where the bucket of TRex's histogram that begins at start ends, in microseconds."""
    return start + 10 ** int(math.log10(start)) if start >= 10 else 10


def percentile(histogram, share):
    """The upper end of the bucket below which share of the samples lie; None without samples."""
    total, seen = sum(histogram.values()), 0
    for start in sorted(histogram):
        seen += histogram[start]
        if seen >= share * total:
            return bucket_end(start)
    return None


def latency_of(stats, group, sent):
    """The latency in what STLClient.get_stats returned; None if no packet of the group arrived."""
    one = stats.get("latency", {}).get(group)
    if not one:
        return None
    lat, histogram = one["latency"], {int(k): v for k, v in one["latency"]["histogram"].items()}
    samples = sum(histogram.values())
    if samples == 0:
        return None
    high = [min(percentile(histogram, share), lat["total_max"]) for share in (0.5, 0.99, 0.999)]
    return Latency(samples, max(0, sent - samples), lat["total_min"], lat["average"], high[0], high[1], high[2],
                   lat["total_max"], lat["jitter"])


class Generator:
    """Two ports of a TRex server: tx is connected to Weir's port to the clients, rx to that to the backends."""

    def __init__(self, api, server, tx, rx, settle=2.0, sleep=time.sleep):
        self.api, self.tx, self.rx, self.settle, self.sleep = api, tx, rx, settle, sleep
        self.client = api.STLClient(server=server)
        self.client.connect()
        try:
            self.client.reset(ports=[tx, rx])
            # The frames are addressed to backends, not to the port that counts them.
            self.client.set_port_attr(ports=[tx, rx], promiscuous=True)
        except Exception:
            self.close()
            raise

    def close(self):
        self.client.disconnect()

    def version(self):
        return self.client.get_server_version().get("version", "unknown")

    def gbps(self):
        """The speed of the slower link; 0 if TRex does not know it."""
        return min(float(i["speed"] or 0) for i in self.client.get_port_info(ports=[self.tx, self.rx]))

    def resolve(self, port, own, other):
        """The MAC that answers ARP for the IPv4 address other."""
        self.client.set_service_mode(ports=[port], enabled=True)
        try:
            self.client.set_l3_mode(port=port, src_ipv4=own, dst_ipv4=other)
            mac = self.client.get_port_info(ports=[port])[0]["arp"]
        except self.api.STLError:
            mac = "unresolved"
        finally:
            self.client.set_service_mode(ports=[port], enabled=False)
        if mac in ("-", "unresolved"):
            raise RuntimeError("nobody answers ARP for %s on TRex's port %d: is Weir running, and the cable in this port? "
                               "--mac gives the MAC without ARP" % (other, port))
        return mac

    def run(self, streams, pps, seconds, learn=(), groups=()):
        """Sends the streams of {port: streams} with pps frames a second on each port, and counts.

        learn is sent first, as often as its bursts say. groups are the packet groups whose latency is wanted.
        """
        ports = sorted(streams)
        if learn:
            self._send([self.tx], {self.tx: list(learn)}, "1", -1)
        self._send(ports, streams, "%dpps" % max(1, pps), seconds)
        stats = self.client.get_stats(ports=[self.tx, self.rx])
        # What comes back to a port that only sends, such as ICMP errors, has not been forwarded.
        sent = sum(stats[p]["opackets"] for p in ports)
        received = sum(stats[self.rx if p == self.tx else self.tx]["ipackets"] for p in ports)
        return Counted(sent, received, {g: latency_of(stats, g, self._sent_of(stats, g)) for g in groups})

    def _sent_of(self, stats, group):
        total = stats.get("flow_stats", {}).get(group, {}).get("tx_pkts", {})
        return total.get("total", total.get(self.tx, 0))

    def _send(self, ports, streams, mult, seconds):
        self.client.remove_all_streams(ports=[self.tx, self.rx])
        for port in ports:
            self.client.add_streams(streams[port], ports=[port])
        self.client.clear_stats()
        self.client.start(ports=ports, mult=mult, duration=seconds, force=True)
        # RFC 2544 section 23: what is still under way has two seconds to arrive.
        self.client.wait_on_traffic(ports=ports, rx_delay_ms=int(self.settle * 1000))
        self.sleep(self.settle)
