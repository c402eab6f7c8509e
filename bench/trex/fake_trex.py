"""What the tests use of TRex's stateless API: the names and parameters of v3.08, and checks of theirs that matter here.

FakeClient plays the server and what is behind it, a device that loses everything beyond `capacity` frames a second.
"""

STLStreamDstMAC_CFG_FILE, STLStreamDstMAC_PKT, STLStreamDstMAC_ARP = 0, 1, 2


class STLError(Exception):
    pass


class CTRexVmInsFixHwCs:
    L4_TYPE_UDP, L4_TYPE_TCP, L4_TYPE_IP = 11, 13, 17


class _Record:
    def __repr__(self):
        return "%s(%r)" % (type(self).__name__, self.__dict__)


class STLVmFlowVar(_Record):
    def __init__(self, name, init_value=None, min_value=0, max_value=255, size=4, step=1, op="inc", value_list=None,
                 split_to_cores=True, next_var=None):
        if size not in (1, 2, 4, 8) or op not in ("inc", "dec", "random"):
            raise STLError("flow variable of size %r, op %r" % (size, op))
        if not 0 <= min_value <= max_value < 1 << 8 * size:
            raise STLError("flow variable from %r to %r in %d bytes" % (min_value, max_value, size))
        self.name, self.min_value, self.max_value, self.size, self.op = name, min_value, max_value, size, op
        self.step, self.split_to_cores = step, split_to_cores


class STLVmWrFlowVar(_Record):
    def __init__(self, fv_name, pkt_offset, offset_fixup=0, add_val=0, is_big=True):
        self.fv_name, self.pkt_offset, self.is_big = fv_name, pkt_offset + offset_fixup, is_big


class STLVmFixIpv4(_Record):
    def __init__(self, offset):
        self.offset = offset


class STLVmFixChecksumHw(_Record):
    def __init__(self, l3_offset, l4_offset, l4_type):
        if l4_offset < l3_offset + 8:
            raise STLError("the layer 4 header begins within the layer 3 header")
        self.l3_offset, self.l4_offset, self.l4_type = l3_offset, l4_offset, l4_type


class STLScVmRaw(_Record):
    def __init__(self, list_of_commands=None, cache_size=None):
        self.commands, names = list_of_commands or [], set()
        for c in self.commands:
            if isinstance(c, STLVmFlowVar):
                names.add(c.name)
            if isinstance(c, STLVmWrFlowVar) and c.fv_name not in names:
                raise STLError("%s is written but not defined" % c.fv_name)


class STLPktBuilder(_Record):
    def __init__(self, pkt=None, pkt_buffer=None, vm=None, path_relative_to_profile=False, build_raw=False, remove_fcs=True):
        if not isinstance(pkt_buffer, bytes) or not isinstance(vm, STLScVmRaw):
            raise STLError("pkt_buffer must be bytes, vm a STLScVmRaw")
        self.pkt_buffer, self.vm = pkt_buffer, vm


class STLTXCont(_Record):
    def __init__(self, pps=None, bps_L1=None, bps_L2=None, percentage=None):
        self.pps = pps


class STLTXSingleBurst(_Record):
    def __init__(self, total_pkts=1, pps=None, bps_L1=None, bps_L2=None, percentage=None):
        if not isinstance(total_pkts, int):
            raise STLError("total_pkts must be a whole number")
        self.total_pkts, self.pps = total_pkts, pps


class STLFlowLatencyStats(_Record):
    def __init__(self, pg_id, vxlan=False, ieee_1588=False):
        self.pg_id = pg_id


class STLStream(_Record):
    def __init__(self, name=None, packet=None, mode=None, enabled=True, self_start=True, isg=0.0, flow_stats=None, next=None,
                 stream_id=None, action_count=0, random_seed=0, mac_src_override_by_pkt=None, mac_dst_override_mode=None,
                 dummy_stream=False, start_paused=False, core_id=-1):
        self.name, self.packet, self.mode, self.flow_stats = name, packet, mode, flow_stats
        self.mac_src_override_by_pkt, self.mac_dst_override_mode = mac_src_override_by_pkt, mac_dst_override_mode


class FakeClient:
    """capacity and generator are frames a second that the device passes and that a port can send."""

    def __init__(self, server, capacity=10e6, generator=100e6, speed=10.0, arp="02:00:00:00:00:01"):
        self.server, self.capacity, self.generator, self.speed, self.arp = server, capacity, generator, speed, arp
        self.calls, self.streams, self.counters, self.groups, self.service = [], {}, {}, {}, set()

    def __getattr__(self, name):
        if name in ("connect", "disconnect", "set_port_attr"):
            return lambda **kw: self.calls.append((name, kw))
        raise AttributeError(name)

    def reset(self, ports=None, restart=False):
        self.calls.append(("reset", ports))
        self.clear_stats()

    def get_server_version(self):
        return {"version": "v3.08"}

    def get_port_info(self, ports=None):
        return [{"speed": self.speed, "arp": self.arp} for _ in ports]

    def set_service_mode(self, ports=None, enabled=True, filtered=False, mask=None):
        self.service = set(ports) if enabled else set()

    def set_l3_mode(self, port, src_ipv4, dst_ipv4, vlan=None):
        if port not in self.service:
            raise AssertionError("port %d is not in service mode" % port)
        if self.arp == "unresolved":
            raise STLError("ARP resolution failed")

    def remove_all_streams(self, ports=None):
        for p in ports:
            self.streams[p] = []

    def add_streams(self, streams, ports=None):
        for p in ports:
            self.streams[p] = self.streams.get(p, []) + streams

    def clear_stats(self, ports=None, clear_global=True, clear_flow_stats=True, clear_latency_stats=True, clear_xstats=True):
        self.counters, self.groups = {p: {"opackets": 0, "ipackets": 0} for p in range(4)}, {}

    def start(self, ports=None, mult="1", force=False, duration=-1, total=False, core_mask=None, synchronized=False):
        if self.service:
            raise STLError("ports %s are in service mode" % self.service)
        self.calls.append(("start", ports, mult, duration))
        for p in ports:
            self._send(p, mult, duration)

    def _send(self, port, mult, duration):
        sent, seconds = 0, duration
        for s in self.streams[port]:
            if isinstance(s.mode, STLTXSingleBurst):
                sent, seconds = sent + s.mode.total_pkts, s.mode.total_pkts / s.mode.pps
        if sent == 0:
            sent = int(min(float(mult[:-3]), self.generator) * duration)
        received = min(sent, int(self.capacity * seconds))
        self.counters[port]["opackets"] += sent
        self.counters[port ^ 1]["ipackets"] += received
        for s in self.streams[port]:
            if s.flow_stats:
                n = int(s.mode.pps * duration)
                self.groups[s.flow_stats.pg_id] = (n, n * received // sent, port)

    def wait_on_traffic(self, ports=None, timeout=None, rx_delay_ms=None):
        self.calls.append(("wait_on_traffic", ports, rx_delay_ms))

    def get_stats(self, ports=None, sync_now=True):
        stats = dict(self.counters)
        stats["latency"], stats["flow_stats"] = {"global": {}}, {"global": {}}
        for group, (sent, received, port) in self.groups.items():
            slow = received // 100
            stats["flow_stats"][group] = {"tx_pkts": {port: sent, "total": sent}}
            stats["latency"][group] = {"err_cntrs": {}, "latency": {
                "histogram": {0: received - slow, 20: slow}, "average": 7.5, "jitter": 1, "total_min": 4, "total_max": 28,
                "last_max": 9}}
        return stats


STLClient = FakeClient
