-- KEYS: epoch, key...   ARGV: run id, attempt, longest ms of an entry, of an absence, then a version and V or N for each
-- key. The version is '' if the write was not done; V or N is '' if it is not to be cached.
local found = call('MGET', unpack(KEYS))
local failed = epoch_error(found[1])
if failed then
  return failed
end
local now, attempt = now_micros(), ARGV[2]
local max_entry_ms, max_absent_ms = tonumber(ARGV[3]), tonumber(ARGV[4])

local function finish_marker(key, marker, version, payload)
  local live, any_lapsed, is_there = others(marker, attempt, now)
  if not is_there then
    return -- another's marker
  end
  local floor, taint = sub(marker, 3, 10), sub(marker, 11, 11)
  if version ~= '' and is_newer(version, floor) then
    floor = version
  end
  -- Its writer may have committed something newer that nobody will report.
  if any_lapsed then
    taint = '\1'
  end
  if live ~= '' then
    call('SET', key, 'KM' .. floor .. taint .. live)
  elseif payload ~= '' and version == floor and taint == '\0' then
    store(key, payload, now, max_entry_ms, max_absent_ms)
  else
    call('DEL', key)
  end
end

for i = 2, #KEYS do
  local key, value, version = KEYS[i], found[i], ARGV[2 * i + 1]
  local state = state_of(value)
  if state == 'M' then
    finish_marker(key, value, version, ARGV[2 * i + 2])
  elseif version ~= '' and (state == 'L' or (state and is_newer(version, sub(value, 3, 10)))) then
    -- The marker lapsed, and what came after it may be from before this write.
    call('DEL', key)
  end
end
return redis.status_reply('OK')
