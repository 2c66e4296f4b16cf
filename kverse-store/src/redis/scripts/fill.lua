-- KEYS: epoch, key...   ARGV: run id, longest ms of an entry, of an absence, then a token and V or N for each key; '' gives
-- the lease back.
local failed = epoch_error(ARGV[1])
if failed then
  return failed
end
local now = now_micros()
for i = 2, #KEYS do
  local key, token, payload = KEYS[i], ARGV[2 * i], ARGV[2 * i + 1]
  if redis.pcall('GET', key) == 'KL' .. token then
    if payload == '' then
      redis.call('DEL', key)
    else
      store(key, payload, now, tonumber(ARGV[2]), tonumber(ARGV[3]))
    end
  end
end
return redis.status_reply('OK')
