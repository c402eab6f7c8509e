"""Frames of the test traffic, byte by byte, and the flows they belong to. Stands on nothing but Python."""

import ipaddress
import math
import struct

# RFC 2544 section 9.1. All sizes in this folder are of frames with their 4 bytes of FCS.
SIZES = (64, 128, 256, 512, 1024, 1280, 1518)
# "Simple IMIX": packets of 40, 576 and 1500 bytes of IP, 7 to 4 to 1, as frames.
IMIX = ((64, 7), (594, 4), (1518, 1))

FCS = 4
WIRE_OVERHEAD = 20  # preamble, start of frame and the gap to the next one, in bytes' time

ETH, IP4, IP6, UDP, TCP = 14, 20, 40, 8, 20
PROTOCOLS = {"tcp": 6, "udp": 17}
SYN, ACK = 0x02, 0x10
MSS_OPTION = {4: struct.pack("!BBH", 2, 4, 1460), 6: struct.pack("!BBH", 2, 4, 1440)}
LATENCY_TRAILER = 16  # TRex overwrites as many bytes at the end of the payload

FIRST_PORT, LAST_PORT = 1024, 65535


def parts(size, outer=0):
    """Frame sizes and their numbers; none becomes too large for Ethernet if a header of outer bytes is put in front."""
    return [(min(s, SIZES[-1] - outer), n) for s, n in (IMIX if size == "imix" else ((size, 1),))]


def mean_size(size, outer=0):
    """The mean frame size of a size, which may be "imix", without the outer header."""
    mix = parts(size, outer)
    return sum(s * n for s, n in mix) / sum(n for _, n in mix)


def line_pps(gbps, size, outer=0):
    """Frames a second at the line rate of the link that is full first: the one behind the outer header."""
    return gbps * 1e9 / 8 / (mean_size(size, outer) + outer + WIRE_OVERHEAD)


def checksum(data):
    """The Internet checksum of data (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac_bytes(text):
    octets = text.split(":")
    if len(octets) != 6:
        raise ValueError("%s is not a MAC such as 02:00:00:00:00:01" % text)
    return bytes(int(o, 16) for o in octets)


def l4_offset(family):
    return ETH + (IP4 if family == 4 else IP6)


def source_offset(family):
    """Where the 4 bytes of the source address lie that tell clients apart: the last ones."""
    return ETH + (12 if family == 4 else 8 + 12)


def headers_size(family, protocol, opts=b""):
    return l4_offset(family) + (UDP if protocol == "udp" else TCP + len(opts))


def options(family, protocol, flags):
    return MSS_OPTION[family] if protocol == "tcp" and flags & SYN else b""


def smallest(family, protocol, flags=0, latency=False):
    """The smallest frame that such a packet fits into."""
    need = headers_size(family, protocol, options(family, protocol, flags)) + FCS + (LATENCY_TRAILER if latency else 0)
    return max(64, need)


def frame(size, dst_mac, src, dst, sport, dport, protocol="udp", flags=0, src_mac="00:00:00:00:00:00"):
    """A frame without its FCS: size - 4 bytes, with checksums that are right."""
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if src.version != dst.version:
        raise ValueError("%s and %s are not of one IP version" % (src, dst))
    family, proto = src.version, PROTOCOLS[protocol]
    opts = options(family, protocol, flags)
    payload = size - FCS - headers_size(family, protocol, opts)
    if payload < 0:
        raise ValueError("a frame of %d bytes is too small for %s over IPv%d" % (size, protocol, family))
    data = bytes(payload)
    if protocol == "udp":
        l4, at = struct.pack("!HHHH", sport, dport, UDP + payload, 0), 6
    else:
        l4 = struct.pack("!HHIIBBHHH", sport, dport, 1, 1 if flags & ACK else 0, (TCP + len(opts)) // 4 << 4,
                         flags, 65535, 0, 0) + opts
        at = 16
    pseudo = src.packed + dst.packed + struct.pack("!II", len(l4) + payload, proto)
    value = checksum(pseudo + l4 + data)
    if protocol == "udp" and value == 0:
        value = 0xFFFF
    l4 = l4[:at] + struct.pack("!H", value) + l4[at + 2:]
    if family == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, IP4 + len(l4) + payload, 0, 0x4000, 64, proto, 0) + src.packed + dst.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(l4) + payload, proto, 64) + src.packed + dst.packed
    ethertype = 0x0800 if family == 4 else 0x86DD
    return mac_bytes(dst_mac) + mac_bytes(src_mac) + struct.pack("!H", ethertype) + ip + l4 + data


def spread(flows):
    """How many addresses and ports give at least so many flows, as close as may be.

    Both count up with every packet. With counts that have no common divisor all pairs come up before one comes again,
    however many cores share the work.
    """
    if flows < 1:
        raise ValueError("there must be at least one flow, not %d" % flows)
    ports = min(int(math.sqrt(flows)), LAST_PORT - FIRST_PORT + 1)
    addresses = -(-flows // ports)
    while math.gcd(addresses, ports) != 1:
        addresses += 1
    return addresses, ports
