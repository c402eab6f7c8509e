-- A SYN flood, with pktgen: pktgen ... -- ... -f bench/pktgen/synflood.lua. README.md says how.

package.path = "bench/pktgen/?.lua;?.lua;" .. package.path

local ok, err = pcall(require "run", "synflood", pktgen, os.getenv)
if not ok then print("synflood.lua: " .. tostring(err)) end
pktgen.quit()
