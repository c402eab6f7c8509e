-- The latency at shares of the no-drop rate, with pktgen: pktgen ... -- ... -f bench/pktgen/latency.lua. README.md says how.

package.path = "bench/pktgen/?.lua;?.lua;" .. package.path

local ok, err = pcall(require "run", "latency", pktgen, os.getenv)
if not ok then print("latency.lua: " .. tostring(err)) end
pktgen.quit()
