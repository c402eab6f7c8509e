"""TRex streams of the test traffic. api is TRex's module trex.stl.api, so that this can be tested without it.

Frames come as bytes, and fields have numbers for offsets: no layer of scapy is needed, whichever version TRex has.
"""

import collections
import ipaddress

import packets

# Where traffic goes and where it comes from. mac is that of Weir's port; clients is the first client's address; port_count
# and client_count are what packets.spread gave. checksums: "hardware" (the generator's NIC computes them for every frame),
# "software" (TRex computes IPv4's; UDP over IPv4 has none, and all others are wrong but for the first flow). outer is the
# size of the header that Weir puts in front in mode tun, which frames leave room for.
Traffic = collections.namedtuple("Traffic", "mac target port protocol clients client_count port_count checksums outer")

# Packet groups of TRex, whose latency it measures apart from each other.
LATENCY_PG, BYSTANDER_PG = 1, 2

# A SYN flood's source addresses: 512 million that are nobody's business in a lab.
FLOOD_FROM, FLOOD_TO = "16.0.0.1", "47.255.255.254"


def family(traffic):
    return ipaddress.ip_address(traffic.target).version


def flow_count(traffic):
    return traffic.client_count * traffic.port_count


def _fix_checksums(api, traffic):
    l3, l4 = packets.ETH, packets.l4_offset(family(traffic))
    if traffic.checksums == "hardware":
        kinds = api.CTRexVmInsFixHwCs
        kind = kinds.L4_TYPE_UDP if traffic.protocol == "udp" else kinds.L4_TYPE_TCP
        return [api.STLVmFixChecksumHw(l3_offset=l3, l4_offset=l4, l4_type=kind)]
    return [api.STLVmFixIpv4(offset=l3)] if family(traffic) == 4 else []


def _vary(api, traffic, address_at, port_at):
    """Lets the client's address and port of a frame go through all flows."""
    first = int(ipaddress.ip_address(traffic.clients)) & 0xFFFFFFFF
    out = []
    if traffic.client_count > 1:
        out += [api.STLVmFlowVar(name="client", min_value=first, max_value=first + traffic.client_count - 1, size=4, op="inc"),
                api.STLVmWrFlowVar(fv_name="client", pkt_offset=address_at)]
    if traffic.port_count > 1:
        out += [api.STLVmFlowVar(name="port", min_value=packets.FIRST_PORT,
                                 max_value=packets.FIRST_PORT + traffic.port_count - 1, size=2, op="inc"),
                api.STLVmWrFlowVar(fv_name="port", pkt_offset=port_at)]
    if out:
        out += _fix_checksums(api, traffic)
    return out


def _clear_udp4_checksum(traffic, frame):
    """Without hardware a UDP checksum would be wrong for all but the first flow; 0 says that there is none."""
    if traffic.checksums == "software" and traffic.protocol == "udp" and family(traffic) == 4:
        at = packets.l4_offset(4) + 6
        return frame[:at] + b"\0\0" + frame[at + 2:]
    return frame


def _stream(api, frame, vm, mode, flow_stats=None, name=None):
    return api.STLStream(
        name=name,
        packet=api.STLPktBuilder(pkt_buffer=frame, vm=api.STLScVmRaw(vm)),
        mode=mode,
        flow_stats=flow_stats,
        mac_src_override_by_pkt=False,  # the port's own
        mac_dst_override_mode=api.STLStreamDstMAC_PKT)


def _forward(api, traffic, size, flags, mode, **kw):
    size = max(size, packets.smallest(family(traffic), traffic.protocol, flags, "flow_stats" in kw))
    frame = packets.frame(size, traffic.mac, traffic.clients, traffic.target, packets.FIRST_PORT, traffic.port,
                          traffic.protocol, flags)
    at = packets.source_offset(family(traffic))
    vm = _vary(api, traffic, at, packets.l4_offset(family(traffic)))
    return _stream(api, _clear_udp4_checksum(traffic, frame), vm, mode, **kw)


def learn(api, traffic, pps):
    """One packet and a few of every flow, so that Weir knows them all: of TCP, it forwards nothing before a SYN."""
    count = flow_count(traffic)
    burst = api.STLTXSingleBurst(pps=pps, total_pkts=count + count // 64 + 64)
    return [_forward(api, traffic, 64, packets.SYN, burst)]


def load(api, traffic, size):
    """Packets of all flows in turn, for ever; the rate is set when they are started. size may be "imix"."""
    return [_forward(api, traffic, s, packets.ACK, api.STLTXCont(pps=n)) for s, n in packets.parts(size, traffic.outer)]


def replies(api, traffic, size, backend, backend_port):
    """What the backend of a nat service with one backend answers. traffic.mac is that of Weir's port towards it."""
    ip = family(traffic)
    vm = _vary(api, traffic, packets.source_offset(ip) + (4 if ip == 4 else 16), packets.l4_offset(ip) + 2)
    out = []
    for s, n in packets.parts(size, traffic.outer):
        s = max(s, packets.smallest(ip, traffic.protocol))
        frame = packets.frame(s, traffic.mac, backend, traffic.clients, backend_port, packets.FIRST_PORT,
                              traffic.protocol, packets.ACK)
        out.append(_stream(api, _clear_udp4_checksum(traffic, frame), vm, api.STLTXCont(pps=n)))
    return out


def latency(api, traffic, size, pps, pg_id=LATENCY_PG):
    """Packets of the same flows with a time stamp. Their rate is pps whatever the load is."""
    size = packets.parts(size, traffic.outer)[-1][0]
    return [_forward(api, traffic, size, packets.ACK, api.STLTXCont(pps=pps),
                     flow_stats=api.STLFlowLatencyStats(pg_id=pg_id), name="latency")]


def synflood(api, traffic, size):
    """SYNs from random addresses and ports, every one a new connection."""
    ip = family(traffic)
    frame = packets.frame(max(size, packets.smallest(ip, "tcp", packets.SYN)), traffic.mac, traffic.clients, traffic.target,
                          packets.FIRST_PORT, traffic.port, "tcp", packets.SYN)
    vm = [
        api.STLVmFlowVar(name="client", min_value=int(ipaddress.ip_address(FLOOD_FROM)),
                         max_value=int(ipaddress.ip_address(FLOOD_TO)), size=4, op="random"),
        api.STLVmFlowVar(name="port", min_value=packets.FIRST_PORT, max_value=packets.LAST_PORT, size=2, op="random"),
        api.STLVmWrFlowVar(fv_name="client", pkt_offset=packets.source_offset(ip)),
        api.STLVmWrFlowVar(fv_name="port", pkt_offset=packets.l4_offset(ip)),
    ] + _fix_checksums(api, traffic._replace(protocol="tcp"))
    return [_stream(api, frame, vm, api.STLTXCont(pps=1))]
