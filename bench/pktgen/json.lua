-- Writes JSON. A table is a list if it has a first element or is json.list(), and an object otherwise; keys come sorted.

local json = {}

local list = {}

-- list marks a table as a list even if it is empty.
function json.list(t) return setmetatable(t or {}, list) end

local escapes = {['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r"}

local function text(s)
    return '"' .. s:gsub('[%c"\\]', function(c) return escapes[c] or string.format("\\u%04x", c:byte()) end) .. '"'
end

local function number(n)
    if n ~= n or n == math.huge or n == -math.huge then error("JSON has no " .. tostring(n)) end
    if n == math.floor(n) and math.abs(n) < 2 ^ 53 then return string.format("%.0f", n) end
    return string.format("%.14g", n)
end

function json.encode(v)
    local kind = type(v)
    if kind == "string" then return text(v) end
    if kind == "number" then return number(v) end
    if kind == "boolean" then return tostring(v) end
    if kind ~= "table" then error("JSON has no " .. kind) end
    local parts = {}
    if getmetatable(v) == list or v[1] ~= nil then
        for _, one in ipairs(v) do parts[#parts + 1] = json.encode(one) end
        return "[" .. table.concat(parts, ", ") .. "]"
    end
    local keys = {}
    for key in pairs(v) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do parts[#parts + 1] = text(key) .. ": " .. json.encode(v[key]) end
    return "{" .. table.concat(parts, ", ") .. "}"
end

return json
