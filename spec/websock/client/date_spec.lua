-- Dates (RFC 6265 section 5.1.1, RFC 9110 section 5.6.7), against os.time.

local date = require "websock.client.date"

-- Seconds since 1970 of a time in UTC; os.time takes local time.
local function utc(year, month, day, hour, minute, second)
  local local_time = os.time {year = year, month = month, day = day, hour = hour, min = minute,
    sec = second, isdst = false}
  local as_utc = os.date("!*t", local_time)
  as_utc.isdst = false
  return local_time + os.difftime(local_time, os.time(as_utc)) // 1 | 0
end

describe("date.parse", function()
  it("reads the three forms of HTTP", function()
    for _, text in ipairs {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994"} do
      assert.equal(784111777, date.parse(text))
    end
  end)

  it("reads what servers have been seen to send", function()
    for text, seconds in pairs {
      ["Thu, 01-Jan-1970 00:00:00 GMT"] = 0, ["Thu, 1 Jan 1970 0:0:1"] = 1,
      ["1970 Jan 2 00:00:00"] = 86400, ["Fri, 13-dec-01 20:45:52x GMT"] = 1008276352,
      ["Tue, 19 January 2038 03:14:08 GMT"] = 2147483648,
      ["Wed, 31 Dec 1969 23:59:59 GMT"] = -1,
    } do
      assert.equal(seconds, date.parse(text), text)
    end
  end)

  it("agrees with the system's calendar", function()
    local names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
    for _, year in ipairs {1970, 1999, 2000, 2023, 2024, 2100, 2400} do
      for month, name in ipairs(names) do
        for _, day in ipairs {1, 28} do
          assert.equal(utc(year, month, day, 12, 34, 56),
            date.parse(("%02d %s %d 12:34:56"):format(day, name, year)))
        end
      end
    end
  end)

  it("knows in which century a short year is", function()
    local function year_of(text) return os.date("!*t", date.parse("1 Jan " .. text .. " 12:00:00")).year end
    assert.same({1970, 1999, 2000, 2069}, {year_of "70", year_of "99", year_of "00", year_of "69"})
  end)

  it("refuses what is no date", function()
    for _, text in ipairs {"", "tomorrow", "06 Nov 1994", "Nov 1994 08:49:37", "06 1994 08:49:37",
      "06 Nov 08:49:37", "32 Jan 2020 00:00:00", "00 Jan 2020 00:00:00", "30 Feb 2020 00:00:00",
      "29 Feb 2021 00:00:00", "31 Apr 2020 00:00:00", "01 Jan 1600 00:00:00", "01 Jan 2020 24:00:00",
      "01 Jan 2020 00:60:00", "01 Jan 2020 00:00:60", "01 Jan 20200 00:00:00", "01 Jan 2020 00:00:000",
      ("9 "):rep(10000)} do
      assert.is_nil(date.parse(text), text)
    end
    assert.is_truthy(date.parse "29 Feb 2020 23:59:59")
    assert.is_truthy(date.parse "01 Jan 1601 00:00:00")
  end)
end)
