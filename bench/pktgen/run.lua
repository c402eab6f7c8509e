-- What ndr.lua, loss.lua, latency.lua and synflood.lua have in common: pktgen's module to a result file.

local device = require "device"
local json = require "json"
local measure = require "measure"

-- pg is pktgen's module; quit tells whether pktgen ends afterwards.
return function(mode, pg, getenv)
    local s = device.settings(getenv)
    if mode == "synflood" then s.protocol = "tcp" end
    local d = device.open(pg, s)
    local results = measure[mode](d, device.numbers(s.sizes), device.numbers(s.loads))
    local version = pg.info and pg.info.Pktgen_Version or "unknown"
    local f = assert(io.open(s.out, "w"))
    f:write(json.encode(measure.document(mode, d, version, results)), "\n")
    f:close()
    print("written: " .. s.out)
end
