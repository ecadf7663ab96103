-- Draws a chart of multiples as SVG: a bar for each value of each row, on a
-- logarithmic axis.
--
--     chart(rows, names): rows: {title=, values = {name = number}}

local WIDTH, LEFT, RIGHT, TOP = 860, 270, 60, 64
local BAR, GAP = 11, 12
local COLOURS = {"#888", "#2f6fdf", "#5ab4c8", "#8a9a5b", "#d98c2b", "#a05aa8",
  "#b5534c"}
local TICKS = {0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500}

local function escape(text)
  return (text:gsub("[&<>]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}))
end

local function limits(rows)
  local least, most = 1, 2
  for _, row in ipairs(rows) do
    for _, value in pairs(row.values) do
      least, most = math.min(least, value), math.max(most, value)
    end
  end
  return math.max(0.1, least / 1.15), most * 1.15
end

local function scale(rows)
  local least, most = limits(rows)
  local unit = (WIDTH - LEFT - RIGHT) / math.log(most / least)
  return function(value) return LEFT + unit * math.log(math.max(value, least) / least) end,
    least, most
end

local function text(x, y, anchor, what, more)
  return ('<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>'):format(x, y, anchor,
    more or "", escape(what))
end

local function axis(out, at, least, most, height)
  for _, tick in ipairs(TICKS) do
    if tick >= least and tick <= most then
      out[#out + 1] = ('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/>'):format(at(tick),
        at(tick), TOP - 8, height - 10, tick == 1 and "#333" or "#ddd")
      out[#out + 1] = text(at(tick), TOP - 14, "middle", ("%g"):format(tick))
    end
  end
end

local function legend(out, names)
  local x = 10
  for i, name in ipairs(names) do
    out[#out + 1] = ('<rect x="%d" y="18" width="11" height="11" fill="%s"/>'):format(x, COLOURS[i])
    out[#out + 1] = text(x + 16, 28, "start", name)
    x = x + 34 + 7 * #name
  end
end

local function bars(out, at, least, row, names, y)
  local first = y
  for i, name in ipairs(names) do
    local value = row.values[name]
    if value then
      out[#out + 1] = ('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>'):format(
        at(least), y, math.max(1, at(value) - at(least)), BAR - 1, COLOURS[i])
      out[#out + 1] = text(at(value) + 4, y + BAR - 2, "start",
        (value < 10 and "%.2f" or "%.0f"):format(value))
      y = y + BAR
    end
  end
  out[#out + 1] = text(LEFT - 10, (first + y) / 2 + 4, "end", row.title)
  return y + GAP
end

return function(rows, names)
  local at, least, most = scale(rows)
  local body, y = {}, TOP
  for _, row in ipairs(rows) do y = bars(body, at, least, row, names, y) end
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" ' ..
      'font-family="sans-serif" font-size="11">'):format(WIDTH, y),
    '<rect width="100%" height="100%" fill="white"/>',
  }
  legend(out, names)
  axis(out, at, least, most, y)
  table.move(body, 1, #body, #out + 1, out)
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end
