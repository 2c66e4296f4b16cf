-- KEYS: epoch, key...   ARGV: run id, attempt, lifetime in microseconds
-- A marker that is gone stays away: what was done since cannot be known to be older than this write.
local found = call('MGET', unpack(KEYS))
local failed = epoch_error(found[1])
if failed then
  return failed
end
local deadline = pack('>I8', now_micros() + tonumber(ARGV[3]))
for i = 2, #KEYS do
  local marker = found[i]
  if state_of(marker) == 'M' then
    for at = 12, #marker, 16 do
      if sub(marker, at, at + 7) == ARGV[2] then
        call('SETRANGE', KEYS[i], at + 7, deadline)
      end
    end
  end
end
return redis.status_reply('OK')
