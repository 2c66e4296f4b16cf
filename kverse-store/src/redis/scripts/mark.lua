-- KEYS: epoch, key...   ARGV: run id, attempt, lifetime in microseconds
local found = call('MGET', unpack(KEYS))
local failed = epoch_error(found[1])
if failed then
  return failed
end
local now = now_micros()
local own = ARGV[2] .. pack('>I8', now + tonumber(ARGV[3]))
local markers = {}
for i = 2, #KEYS do
  local value = found[i]
  local state = state_of(value)
  local floor, taint, live = ZERO, '\0', ''
  if state == 'V' or state == 'N' then
    floor = sub(value, 3, 10)
  elseif state == 'M' then
    local any_lapsed
    floor, taint = sub(value, 3, 10), sub(value, 11, 11)
    live, any_lapsed = others(value, ARGV[2], now)
    -- Those that remain may finish before what a lapsed one committed is known.
    if any_lapsed and live ~= '' then
      taint = '\1'
    end
  end
  markers[2 * i - 3] = KEYS[i]
  markers[2 * i - 2] = 'KM' .. floor .. taint .. live .. own
end
return call('MSET', unpack(markers))
