-- Dates of HTTP (RFC 9110 section 5.6.7) and of cookies, read by the rules for cookies
-- (RFC 6265 section 5.1.1), which take all three forms of HTTP and whatever else servers
-- have been seen to send.

local date = {
  now = os.time,  -- seconds since 1970, UTC
}

local MONTHS = {jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8,
  sep = 9, oct = 10, nov = 11, dec = 12}

-- What stands between the tokens.
local DELIMITERS = "\9\32-\47\59-\64\91-\96\123-\126"

-- The kinds of token, in the order in which they are tried. Each takes a token, and
-- fills one field of the date unless another token has done so.
local kinds = {}

kinds[1] = function(token, found)
  if found.hour then return false end
  local h, m, s, rest = token:match "^(%d%d?):(%d%d?):(%d%d?)(.*)$"
  if not h or rest:find "^%d" then return false end
  found.hour, found.minute, found.second = tonumber(h), tonumber(m), tonumber(s)
  return true
end

kinds[2] = function(token, found)
  local day, rest = token:match "^(%d%d?)(.*)$"
  if found.day or not day or rest:find "^%d" then return false end
  found.day = tonumber(day)
  return true
end

kinds[3] = function(token, found)
  if found.month then return false end
  found.month = MONTHS[token:sub(1, 3):lower()]
  return found.month ~= nil
end

-- Of years with two digits, 70 to 99 are those of the last century.
local function full_year(year)
  if year >= 70 and year <= 99 then return year + 1900 end
  return year <= 69 and year + 2000 or year
end

kinds[4] = function(token, found)
  local year, rest = token:match "^(%d%d%d?%d?)(.*)$"
  if found.year or not year or rest:find "^%d" then return false end
  found.year = full_year(tonumber(year))
  return true
end

local function days_of(month, year)
  if month == 2 then
    return (year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0) and 29 or 28
  end
  return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end

local function is_date(found)
  return found.hour and found.day and found.month and found.year
    and found.year >= 1601 and found.day >= 1 and found.day <= days_of(found.month, found.year)
    and found.hour <= 23 and found.minute <= 59 and found.second <= 59
end

-- The days from 1970 to a day of the Gregorian calendar. Years begin in March here, so
-- that a leap day is the last one.
local function days_since_1970(year, month, day)
  local shifted = (month + 9) % 12
  if month <= 2 then year = year - 1 end
  local before = year * 365 + year // 4 - year // 100 + year // 400
  return before + (153 * shifted + 2) // 5 + day - 1 - 719468
end

--- Reads a date.
---@param text string
---@return integer? # seconds since 1970, UTC; nil if it is no date
function date.parse(text)
  local found = {}
  for token in text:gmatch("[^" .. DELIMITERS .. "]+") do
    for _, take in ipairs(kinds) do
      if take(token, found) then break end
    end
  end
  if not is_date(found) then return nil end
  local days = days_since_1970(found.year, found.month, found.day)
  return ((days * 24 + found.hour) * 60 + found.minute) * 60 + found.second
end

return date
