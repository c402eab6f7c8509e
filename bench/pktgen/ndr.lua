-- The no-drop rate of every size, with pktgen: pktgen ... -- ... -f bench/pktgen/ndr.lua. README.md says how.

package.path = "bench/pktgen/?.lua;?.lua;" .. package.path

local ok, err = pcall(require "run", "ndr", pktgen, os.getenv)
if not ok then print("ndr.lua: " .. tostring(err)) end
pktgen.quit()
