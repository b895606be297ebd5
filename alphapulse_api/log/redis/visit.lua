-- Returns the epoch, the time in ms, and per stream its position, the cursor to continue from ("" if
-- the caller's own cursor is valid) and the bytes of its entries.

local origins = check()
local answer = {epoch, digits(now)}
for i = 5, #KEYS do
  answer[#answer + 1] = id(place(KEYS[i]))
  answer[#answer + 1] = origins[i] or ''
  answer[#answer + 1] = held(KEYS[i])
end
return answer
