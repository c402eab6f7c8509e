-- pktgen and the Weir behind it: sets the traffic up, makes trials, reads counters. All calls to pktgen stand here.

local traffic = require "traffic"

local device = {}

local first_port = 1024 -- of the clients'

-- What can be set, here or in the environment: WEIR_TARGET=203.0.113.10 sets target.
device.defaults = {
    tx = 0, rx = 1,                      -- pktgen's ports at Weir's port to the clients and at that to the backends
    mac = "",                            -- MAC of Weir's port to the clients: weir show ports
    target = "198.18.0.10", port = 80,   -- the virtual service
    protocol = "udp",                    -- udp or tcp
    clients = "198.18.16.1",             -- the first client
    flows = 10000,                       -- rounded up a little; no more than pktgen has frames for
    gbps = 0,                            -- speed of the links; 0: what pktgen says
    duration = 60, search_duration = 10, -- seconds of the trials that count, and of those that lead there
    tolerance = 0, resolution = 0.5, retries = 0,
    max_load = 100,                      -- percent of line rate to begin with
    outer = 0,                           -- bytes of the outer header in mode tun: 20 or 40
    settle = 2,                          -- seconds for frames under way, RFC 2544 section 23
    learn_seconds = 1,                   -- how long each flow is made known before a trial, at 1 percent of line rate
    sizes = "64,128,256,512,1024,1280,1518",
    loads = "10,50,90,100",              -- percent: of the no-drop rate for latency, of line rate for a SYN flood
    label = "", out = "result.json",
}

-- pktgen prepares a queue's frames before it starts, 24576 of them in version 23.03, and sends these again and again.
local prepared = 24000

-- settings is the defaults with what getenv knows.
function device.settings(getenv)
    local out = {}
    for key, value in pairs(device.defaults) do
        local given = getenv("WEIR_" .. key:upper())
        if given and type(value) == "number" then
            given = tonumber(given) or error("WEIR_" .. key:upper() .. " must be a number, is " .. given, 0)
        end
        out[key] = given or value
    end
    if not out.mac:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$") then
        error("WEIR_MAC must be the MAC of Weir's port to the clients, such as 02:00:00:00:00:01: weir show ports has it", 0)
    end
    if out.flows > prepared then
        error("WEIR_FLOWS must be at most " .. prepared .. ": pktgen has no frames for more. TRex has", 0)
    end
    return out
end

-- numbers are those of a list such as "64,128".
function device.numbers(text)
    local out = {}
    for word in text:gmatch("[^,]+") do
        out[#out + 1] = tonumber(word) or error(word .. " in " .. text .. " is not a number", 0)
    end
    return out
end

local Device = {}
Device.__index = Device

-- open is the device behind pktgen's ports, with the traffic of the settings set up. pg is pktgen's module.
function device.open(pg, settings)
    local d = setmetatable({pg = pg, s = settings, tx = tostring(settings.tx), rx = tostring(settings.rx)}, Device)
    pg.screen("off")
    pg.stop(d.tx)
    d.gbps = settings.gbps > 0 and settings.gbps or d:link_gbps()
    pg.set(d.tx, "count", 0)
    pg.set_mac(d.tx, "dst", settings.mac)
    pg.set_proto(d.tx, settings.protocol)
    -- Packets with a time stamp are made after the single packet; they are UDP whatever its protocol is.
    pg.set_ipaddr(d.tx, "dst", settings.target)
    pg.set_ipaddr(d.tx, "src", settings.clients .. "/32")
    pg.set(d.tx, "sport", first_port)
    pg.set(d.tx, "dport", settings.port)
    local addresses, ports = traffic.spread(settings.flows)
    d.flows = addresses * ports
    d:ranges(settings.clients, addresses, ports)
    d:flags("ack")
    return d
end

-- link_gbps reads the speed out of texts like <UP-10000-FD>.
function Device:link_gbps()
    local slowest
    for _, port in ipairs {self.s.tx, self.s.rx} do
        local state = tostring(self.pg.linkState(tostring(port))[port])
        local mbps = tonumber(state:match("^<UP%-(%d+)%-"))
        if not mbps or mbps == 0 then error("pktgen's port " .. port .. " is " .. state .. ": is the cable in it?", 0) end
        slowest = math.min(slowest or mbps, mbps)
    end
    return slowest / 1000
end

-- ranges lets so many clients' addresses, from first on, and ports come up in turn.
function Device:ranges(first, addresses, ports)
    local r, s, tx = self.pg.range, self.s, self.tx
    local function range(set, from, to, step, zero)
        set(tx, "start", from)
        set(tx, "min", from)
        set(tx, "max", to)
        set(tx, "inc", from == to and zero or step)
    end
    r.dst_mac(tx, "start", s.mac)
    r.ip_proto(tx, s.protocol)
    range(r.dst_ip, s.target, s.target, "0.0.0.0", "0.0.0.0")
    range(r.dst_port, s.port, s.port, 0, 0)
    range(r.src_ip, first, traffic.ipv4(first, addresses - 1), "0.0.0.1", "0.0.0.0")
    range(r.src_port, first_port, first_port + ports - 1, 1, 0)
    self.pg.set_range(tx, "on")
end

-- size sets the frames' size, with FCS. pktgen computes rates from the size of its single packet, whatever it sends.
function Device:size(size)
    self.pg.set(self.tx, "size", size)
    for _, what in ipairs {"start", "min", "max"} do self.pg.range.pkt_size(self.tx, what, size) end
    self.pg.range.pkt_size(self.tx, "inc", 0)
    self.current = size
end

-- line_pps is line rate for the current size on the link that is full first, the one behind the outer header.
function Device:line_pps()
    return traffic.line_pps(self.gbps, self.current + self.s.outer)
end

-- counters are a port's. pktgen's portStats takes a second argument up to version 24 and refuses it later.
function Device:counters(port)
    local ok, stats = pcall(self.pg.portStats, port, "port")
    if not ok then stats = self.pg.portStats(port) end
    local one = stats[tonumber(port)]
    return one.curr or one
end

-- send sends at percent of line rate for so many seconds and returns what left tx and what arrived at rx.
function Device:send(percent, seconds)
    local pg = self.pg
    local own = traffic.line_pps(self.gbps, self.current) -- pktgen knows of no outer header
    pg.set(self.tx, "rate", percent * self:line_pps() / own)
    pg.clr()
    pg.delay(100)
    pg.start(self.tx)
    pg.delay(math.floor(seconds * 1000))
    pg.stop(self.tx)
    pg.delay(math.floor(self.s.settle * 1000))
    return self:counters(self.tx).opackets, self:counters(self.rx).ipackets
end

-- flags sets the TCP flags of what is sent to syn or ack. Lua has no function for it, so a command file does it; the
-- command has changed with pktgen's versions.
function Device:flags(name)
    if self.s.protocol ~= "tcp" then return end
    local file = os.tmpname()
    local f = assert(io.open(file, "w"))
    if self.pg.set_tcp_flags then -- has come with the new command
        f:write("range ", self.tx, " tcp flags ", name, "\n")
    else
        f:write("range ", self.tx, " tcp flag clr all\nrange ", self.tx, " tcp flag set ", name, "\n")
    end
    f:close()
    self.pg.run("cmd", file, "")
    os.remove(file)
end

-- trial makes one of search.lua's. Each flow is made known before: of TCP, Weir forwards nothing before a SYN.
function Device:trial(percent, seconds)
    if self.s.learn_seconds > 0 then
        self:flags("syn")
        self:send(1, self.s.learn_seconds)
        self:flags("ack")
    end
    local sent, received = self:send(percent, seconds)
    local asked = math.floor(self:line_pps() * percent / 100 * seconds)
    print(string.format("%5d bytes  %6.2f %%  %10d sent  %10d lost", self.current, percent, sent,
        math.max(0, sent - received)))
    return {percent = percent, seconds = seconds, asked = asked, sent = sent, received = received}
end

-- flood turns to SYNs, each from another address from 16.0.0.0 on and another port, as many as frames are prepared; the
-- next trial goes on with others. pktgen's random bits would need a NIC that corrects the checksums, and have no effect in
-- version 23.03.
function Device:flood()
    self:ranges("16.0.0.0", 2 ^ 28, 60000)
    self:flags("syn")
end

return device
