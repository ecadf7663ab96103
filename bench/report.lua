-- Figures of rounds, and their tables.
local report = {}

-- Names of figures that a round may have, and how they are printed.
report.FIGURES = {"rate", "cpu", "memory", "p50", "p99", "bytes", "faults", "step"}
local TITLES = {rate = "a second", cpu = "CPU us", memory = "KiB each", p50 = "p50 us",
  p99 = "p99 us", bytes = "bytes", faults = "faults", step = "step ms"}
local FORMATS = {cpu = "%.1f", memory = "%.2f", faults = "%.2f", step = "%.1f"}

-- Returns median, least and greatest of what `get` returns for each round; nil if it
-- returns nothing.
local function figures(rounds, get)
  local list = {}
  for _, round in ipairs(rounds) do list[#list + 1] = get(round) end
  if #list == 0 then return end
  table.sort(list)
  local middle = (#list + 1) // 2
  local median = #list % 2 == 1 and list[middle] or (list[middle] + list[middle + 1]) / 2
  return median, list[1], list[#list]
end

-- The median of a peer's figure, and its spread.
function report.of(rounds, peer, figure)
  return figures(rounds, function(round) return round[peer][figure] end)
end

-- The same, as a multiple of another peer's figure in the same round.
function report.ratio(rounds, peer, yardstick, figure)
  return figures(rounds, function(round)
    return round[peer][figure] / round[yardstick][figure]
  end)
end

local function cells(columns, get)
  local list = {}
  for i, figure in ipairs(columns) do list[i] = ("%9s"):format(get(figure)) end
  return table.concat(list)
end

local function line(title, own, ratio, more)
  print((("  %-22s %24s   %22s"):format(title, own, ratio) .. more):match "^(.-) *$")
end

local function spread(...) return ("%.2f (%.2f-%.2f)"):format(...) end

local function row(scenario, rounds, peer, yardstick)
  line(peer.title, spread(report.of(rounds, peer, scenario.figure)),
    spread(report.ratio(rounds, peer, yardstick, scenario.figure)),
    cells(scenario.columns, function(figure)
      local value = report.of(rounds, peer, figure)
      return value and (FORMATS[figure] or "%.0f"):format(value) or "-"
    end))
end

-- What was measured elsewhere, as multiples of the yardstick there.
local function elsewhere(scenario)
  line("uWebSockets, elsewhere", "-", scenario.uws, "")
  line("aim", "-", scenario.aim, "")
end

-- A line for each peer, separated by tabs, for bench/document.lua.
function report.append(file, scenario, peers, rounds)
  for _, peer in ipairs(peers) do
    local line_of = {scenario.name, peer.name}
    local function add(...) table.move({...}, 1, 3, #line_of + 1, line_of) end
    add(report.of(rounds, peer, scenario.figure))
    add(report.ratio(rounds, peer, peers[1], scenario.figure))
    for _, figure in ipairs(report.FIGURES) do
      line_of[#line_of + 1] = report.of(rounds, peer, figure) or "-"
    end
    file:write(table.concat(line_of, "\t"), "\n")
  end
  file:flush()
end

function report.print(scenario, peers, rounds)
  print(scenario.title)
  line("", scenario.unit:gsub("µ", "u"), "x " .. peers[1].title,
    cells(scenario.columns, function(figure) return TITLES[figure] end))
  for _, peer in ipairs(peers) do row(scenario, rounds, peer, peers[1]) end
  if scenario.uws and peers[1].name == "ideal" then elsewhere(scenario) end
  io.stdout:flush()
end

return report
