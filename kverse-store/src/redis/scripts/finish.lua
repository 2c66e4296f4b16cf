-- KEYS: epoch, key...   ARGV: run id, attempt, longest ms of an entry, of an absence, then a version and V or N for each
-- key. The version is '' if the write was not done; V or N is '' if it is not to be cached.
local failed = epoch_error(ARGV[1])
if failed then
  return failed
end
local now = now_micros()

local function finish_marker(key, marker, version, payload)
  local floor, taint = string.sub(marker, 3, 10), string.sub(marker, 11, 11)
  local live, dropped, found = {}, false, false
  each_attempt(marker, function(attempt, deadline)
    if attempt == ARGV[2] then
      found = true
    elseif deadline > now then
      live[#live + 1] = attempt .. struct.pack('>I8', deadline)
    else
      dropped = true
    end
  end)
  if not found then
    return -- another's marker
  end
  if version ~= '' and is_newer(version, floor) then
    floor = version
  end
  -- Its writer may have committed something newer that nobody will report.
  if dropped then
    taint = '\1'
  end
  if #live > 0 then
    redis.call('SET', key, 'KM' .. floor .. taint .. table.concat(live))
  elseif payload ~= '' and version == floor and taint == '\0' then
    store(key, payload, now, tonumber(ARGV[3]), tonumber(ARGV[4]))
  else
    redis.call('DEL', key)
  end
end

for i = 2, #KEYS do
  local key, version, payload = KEYS[i], ARGV[2 * i + 1], ARGV[2 * i + 2]
  local state, value = state_of(key)
  if state == 'M' then
    finish_marker(key, value, version, payload)
  elseif version ~= '' and (state == 'L' or (state and is_newer(version, string.sub(value, 3, 10)))) then
    -- The marker lapsed, and what came after it may be from before this write.
    redis.call('DEL', key)
  end
end
return redis.status_reply('OK')
