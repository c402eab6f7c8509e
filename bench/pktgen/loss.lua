-- The loss at every load, with pktgen: pktgen ... -- ... -f bench/pktgen/loss.lua. README.md says how.

package.path = "bench/pktgen/?.lua;?.lua;" .. package.path

local ok, err = pcall(require "run", "loss", pktgen, os.getenv)
if not ok then print("loss.lua: " .. tostring(err)) end
pktgen.quit()
