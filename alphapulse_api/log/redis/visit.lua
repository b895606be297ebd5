-- Returns the epoch, the time in ms, and per stream its position and the cursor to continue from: ""
-- if the caller's own cursor is valid.

local origins = check()
local answer = {epoch, string.format('%.0f', now)}
for i = 5, #KEYS do
  answer[#answer + 1] = id(place(KEYS[i]))
  answer[#answer + 1] = origins[i] or ''
end
return answer
