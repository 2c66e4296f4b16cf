-- The load of `make bench`, for wrk: requests are made beforehand, so that the generator costs little.
-- wrk ... -s kv.lua URL -- get|put KEYS     uniformly random among "key-0" ... "key-(KEYS - 1)"; values of 100 bytes
-- Prints: RESULT requests microseconds p50_us p99_us errors
local VALUE_BYTES = 100
local requests, last = {}, 0

local function random_value()
  local bytes = {}
  for i = 1, VALUE_BYTES do
    bytes[i] = string.char(math.random(97, 122))
  end
  return table.concat(bytes)
end

function init(args)
  local operation, keys = args[1], tonumber(args[2])
  math.randomseed(os.time())
  for i = 1, 20000 do
    local key = "key-" .. math.random(0, keys - 1)
    if operation == "get" then
      requests[i] = wrk.format("GET", "/kv?key=" .. key)
    else
      local body = string.format('{"key":"%s","value":"%s"}', key, random_value())
      requests[i] = wrk.format("PUT", "/kv", { ["Content-Type"] = "application/json" }, body)
    end
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
