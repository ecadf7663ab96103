-- The conformance of schedulers: the same rows in each host, each in a process of its
-- own, which has to end by itself, within 0.3 s. Prints the matrix at the end.
--
-- Handlers run in the loop's coroutines; in the column "theirs" in those of the host, for
-- rows where that differs (a blank elsewhere). "copas-like" is support.copas_like; the
-- column "copas" is there if `require "copas"` finds version 4.

local certificates = require "support.certificates"
local matrix = require "support.hosts.matrix"
local child = require "support.child"
local process = require "support.process"
local rows = require "support.hosts.rows"

local PATIENCE = 240

local function has_copas()
  local ok, copas = pcall(require, "copas")
  return ok and tostring(copas._VERSION):find "^Copas 4%." ~= nil
end

local hosts = {"main", "loop", "copas-like", "cqueues", "luv", "table"}
if has_copas() then table.insert(hosts, 3, "copas") end

local columns = matrix.columns_of(hosts)
local results = {}

local function start(row, column)
  local words = process.lua("spec/support/hosts/child.lua", column.host, column.whose, row.name)
  if row.descriptors then
    local raise = ('ulimit -n %d && exec "$@"'):format(row.descriptors)
    words = {"sh", "-c", raise, "sh", table.unpack(words)}
  end
  local env = child.environment "build/support/clock.so"
  env.HOSTS_CERT, env.HOSTS_KEY = certificates.server.chain, certificates.server.key
  env.HOSTS_CA = certificates.ca.cert
  env.LUA_PATH = "spec/?.lua;" .. (os.getenv "LUA_PATH" or ";;")
  return process.start(words, {env = env})
end

-- Whether a process has ended as it should; else how it has ended.
local function judge(row, column, running)
  local ended, status, output = pcall(running.wait, running, PATIENCE)
  running:stop()
  if not ended then return false, status end
  local wanted, pattern = 0, "^ok\n$"
  if row.ends then
    local other, its = row.ends(column.host)
    if other then wanted, pattern = other, its end
  end
  if status == wanted and output:find(pattern) then return true end
  return false, ("exit status %s; it printed:\n%s"):format(status, output)
end

-- Runs a row in all columns, at once unless it is slow; returns column -> {ok, why}.
local function run(row)
  local running, found = {}, {}
  results[row.name] = {}
  local function wait(column)
    found[column] = {judge(row, column, running[column])}
    results[row.name][column] = found[column][1] and "ok" or "FAILED"
  end
  for _, column in ipairs(columns) do
    if matrix.applies(row, column) then
      running[column] = start(row, column)
      if row.slow then wait(column) end
    end
  end
  for column in pairs(running) do
    if not found[column] then wait(column) end
  end
  return found
end

describe("hosts", function()
  for _, row in ipairs(rows) do
    describe(row.name .. (row.heavy and " #slow" or ""), function()
      local found
      for _, column in ipairs(columns) do
        if matrix.applies(row, column) then
          it(("in %s, %s"):format(column.host, column.whose), function()
            found = found or run(row)
            local ok, why = table.unpack(found[column])
            if not ok then error(why, 0) end
          end)
        end
      end
    end)
  end

  teardown(function()
    io.write(table.concat(matrix.lines(rows, columns, results), "\n"), "\n")
  end)
end)
