-- Writes the figures of a run into docs/performance.md, between its two marks, and
-- draws docs/performance.svg. `make bench BENCH=report` calls it after measuring.
--
--     scripts/lua bench/document.lua RESULTS MICRO PAUSE AMPLIFY MEMORY MACHINE
--
-- The arguments are files: RESULTS of bench/run.lua, the output of the other four
-- benchmarks, and a description of the machine.

local chart = require "bench.chart"
local markdown = require "bench.markdown"
local peers = require "bench.peers"
local report = require "bench.report"
local scenarios = require "bench.scenarios"

local heading, row, join = markdown.heading, markdown.row, markdown.join
local short, spread = markdown.short, markdown.spread

local DOCUMENT, CHART = "docs/performance.md", "docs/performance.svg"
local BEGIN, END = "<!-- figures: made by `make bench BENCH=report` -->", "<!-- end of figures -->"
local FIELDS = {"median", "least", "most", "ratio", "ratio_least", "ratio_most",
  table.unpack(report.FIGURES)}

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

local function write(name, text)
  local file <close> = assert(io.open(name, "w"))
  assert(file:write(text))
end

-- scenario -> peer -> figures
local function results_of(name)
  local results = {}
  for line in io.lines(name) do
    local words = {}
    for word in line:gmatch "[^\t]+" do words[#words + 1] = word end
    local figures = {}
    for i, field in ipairs(FIELDS) do figures[field] = tonumber(words[i + 2]) end
    results[words[1]] = results[words[1]] or {}
    results[words[1]][words[2]] = figures
  end
  return results
end

-- Tables ----------------------------------------------------------------------

-- Returns the scenarios for which `wanted` is true.
local function each(results, wanted)
  local list = {}
  for _, scenario in ipairs(scenarios) do
    if results[scenario.name] and wanted(scenario) then list[#list + 1] = scenario end
  end
  return ipairs(list)
end

-- Returns a cell for each peer but the yardstick: what get(peer) returns.
local function others(get)
  local list = {}
  for _, peer in ipairs(peers) do
    if peer.name ~= "ideal" then list[#list + 1] = get(peer) or "-" end
  end
  return list
end

local function titles() return others(function(peer) return peer.title end) end

-- The yardstick's figures, and the others as multiples of them. `more` are titles of
-- columns at the end, and more_of(scenario) returns their cells.
local function multiples(results, wanted, more, more_of)
  local out = {heading(join({"", "ideal C"}, titles(), more or {}))}
  for _, scenario in each(results, wanted) do
    local of = results[scenario.name]
    out[#out + 1] = row(join({scenario.title, ("%s %s"):format(short(of.ideal.median), scenario.unit)},
      others(function(peer)
        local r = of[peer.name]
        return r and spread(r.ratio, r.ratio_least, r.ratio_most)
      end), more_of and more_of(scenario) or {}))
  end
  return table.concat(out)
end

local ELSEWHERE = {"uWebSockets, elsewhere", "aim"}
local function elsewhere(scenario)
  return {scenario.uws or "-", scenario.aim or "-"}
end

-- One figure in the peers' columns, as `show` prints it of what was measured. first:
-- title of a column before them, whose cells first_of(scenario, of websock) returns.
local function absolutes(results, wanted, first, first_of, show)
  local out = {heading(join({"", first, "ideal C"}, titles()))}
  for _, scenario in each(results, wanted) do
    local of = results[scenario.name]
    local function cell(peer) return of[peer.name] and show(of[peer.name]) end
    out[#out + 1] = row(join({scenario.title, first_of(scenario, of.websock),
      cell {name = "ideal"} or "-"}, others(cell)))
  end
  return table.concat(out)
end

local function measured(r) return spread(r.median, r.least, r.most) end
local function faults(r) return ("%.2f"):format(r.faults) end

local function aims_of_memory(results)
  local out = {heading(join({""}, ELSEWHERE))}
  for _, scenario in each(results, function(s) return s.uws and s.figure == "memory" end) do
    out[#out + 1] = row {scenario.title, scenario.uws .. " x ideal C", scenario.aim}
  end
  return table.concat(out)
end

-- A line for each library that has come through a storm.
local function storms(of)
  local out = {heading {"", "ms until all are back", "CPU µs a connection", "longest step, ms",
    "resident, KiB a connection"}}
  for _, peer in ipairs(peers) do
    local r = of[peer.name]
    if r then
      out[#out + 1] = row {peer.title, measured(r), short(r.cpu), short(r.step), short(r.memory)}
    end
  end
  return table.concat(out)
end

local function latencies(results, wanted)
  local out = {heading {"", "a second: ideal C", "websock", "p50, p99 µs: ideal C", "websock"}}
  for _, scenario in each(results, wanted) do
    local of, cells = results[scenario.name], {scenario.title}
    for i, name in ipairs {"ideal", "websock"} do
      cells[1 + i] = ("%.0f"):format(of[name].rate)
      cells[3 + i] = ("%.0f, %.0f"):format(of[name].p50, of[name].p99)
    end
    out[#out + 1] = row(cells)
  end
  return table.concat(out)
end

-- The document ----------------------------------------------------------------

local function is_plain(s) return not s.mode and s.figure == "cpu" end
local function is_tls(s) return s.mode == "tls" and s.figure == "cpu" end
local function is_deflate(s) return s.mode == "deflate" and s.figure == "cpu" end
local function is_memory(s) return s.figure == "memory" end
local function is_timed(s) return is_plain(s) and s.of ~= "client" end
local function is_large(s) return is_plain(s) and s.size >= 64 << 10 end

local function figures(results, micro, pause, amplify, memory, machine)
  return table.concat {
    machine, "\nMultiples of the CPU time that the ideal C server, or client, needs for the same, ",
    "in the same round: median (least-greatest).\n\n",
    multiples(results, is_plain, ELSEWHERE, elsewhere),
    "\nElsewhere: not measured here, see above.\n",
    "\n![Multiples of the ideal C server's CPU time](performance.svg)\n\n",
    "### TLS\n\n", multiples(results, is_tls),
    "\n### Compression\n\nµs of the server's CPU time a message, without context takeover, window ",
    "of 12 bits, level 1; all are given the same terms.\n\n",
    absolutes(results, is_deflate, "on the wire", function(scenario, r)
      return ("%.0f %%"):format(100 * r.bytes / scenario.size)
    end, measured),
    "\n### Memory\n\nResident growth, KiB a connection.\n\n",
    absolutes(results, is_memory, "of", function(scenario) return tostring(scenario.connections) end,
      measured),
    "\n", aims_of_memory(results), "\nThe same with everything counted:\n\n```\n", memory, "```\n",
    "\n### A storm\n\n10,000 clients connect at once.\n\n", storms(results.storm),
    "\n### Page faults\n\nOf the server, a message.\n\n",
    absolutes(results, is_large, "bytes", function(scenario) return tostring(scenario.size) end,
      faults),
    "\n### Rates and latencies\n\n", latencies(results, is_timed),
    "\n### The core alone\n\n```\n", micro, "```\n",
    "\n### The longest step\n\n```\n", pause, "```\n",
    "\n### Frames that inflate to much\n\n```\n", amplify, "```\n",
  }
end

local function draw(results)
  local rows, names = {}, titles()
  for i, scenario in each(results, is_plain) do
    rows[i] = {title = scenario.title, values = {}}
    for _, peer in ipairs(peers) do
      local r = results[scenario.name][peer.name]
      if r and peer.name ~= "ideal" then rows[i].values[peer.title] = r.ratio end
    end
  end
  return chart(rows, names)
end

local results = results_of(arg[1])
markdown.replace(DOCUMENT, BEGIN, END,
  figures(results, read(arg[2]), read(arg[3]), read(arg[4]), read(arg[5]), read(arg[6])))
write(CHART, draw(results))
