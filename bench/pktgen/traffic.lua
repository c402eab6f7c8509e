-- What there is to know about the test traffic without a generator: sizes, line rates, flows.

local traffic = {}

traffic.sizes = {64, 128, 256, 512, 1024, 1280, 1518} -- RFC 2544 section 9.1, with the FCS
-- "Simple IMIX": 7 of 64, 4 of 594 and 1 of 1518 bytes.
traffic.imix = {{size = 64, count = 7}, {size = 594, count = 4}, {size = 1518, count = 1}}

local wire_overhead = 20 -- preamble, start of frame and the gap to the next one, in bytes' time

function traffic.mean_size(size)
    if size ~= "imix" then return size end
    local bytes, frames = 0, 0
    for _, part in ipairs(traffic.imix) do
        bytes, frames = bytes + part.size * part.count, frames + part.count
    end
    return bytes / frames
end

-- line_pps is the frames a second at line rate.
function traffic.line_pps(gbps, size)
    return gbps * 1e9 / 8 / (traffic.mean_size(size) + wire_overhead)
end

-- gbps is the link's load with so many frames a second.
function traffic.gbps(pps, size)
    return pps * (traffic.mean_size(size) + wire_overhead) * 8 / 1e9
end

local function gcd(a, b)
    while b ~= 0 do a, b = b, a % b end
    return a
end

-- spread is how many addresses and ports give at least so many flows, as close as may be. pktgen counts both up with
-- every packet; with counts that have no common divisor all pairs come up before one comes again.
function traffic.spread(flows)
    if flows < 1 then error("there must be at least one flow", 2) end
    local ports = math.floor(math.min(math.max(1, math.floor(math.sqrt(flows))), 60000))
    local addresses = math.floor((flows + ports - 1) / ports)
    while gcd(addresses, ports) ~= 1 do addresses = addresses + 1 end
    return addresses, ports
end

-- ipv4 is the address that lies n after the one that text says.
function traffic.ipv4(text, n)
    local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
    if not a then error(text .. " is not an IPv4 address", 2) end
    local value = ((tonumber(a) * 256 + tonumber(b)) * 256 + tonumber(c)) * 256 + tonumber(d) + n
    local octets = {}
    for i = 4, 1, -1 do
        octets[i] = string.format("%d", value % 256)
        value = math.floor(value / 256)
    end
    return table.concat(octets, ".")
end

return traffic
