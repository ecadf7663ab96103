-- The table of results, rows x hosts, and the reasons why something cannot be.

local matrix = {}

-- A host's columns: the second one is for handlers in the host's own coroutines.
local function columns_of(hosts)
  local list = {}
  for _, host in ipairs(hosts) do
    table.insert(list, {host = host, whose = "ours", title = host})
    if host ~= "main" and host ~= "loop" then
      table.insert(list, {host = host, whose = "theirs", title = "theirs"})
    end
  end
  return list
end

matrix.columns_of = columns_of

---Whether a row is run in a column: true, or false and why not ("" if it would be the
---same as in the column before).
function matrix.applies(row, column)
  local why = row.without and row.without[column.host]
  if why then return false, why end
  if column.whose == "theirs" and not row.hooks then return false, "" end
  return true
end

-- Returns the text of a cell. Reasons are numbered in `reasons`.
local function cell(row, column, results, reasons)
  local applies, why = matrix.applies(row, column)
  if applies then return results[row.name] and results[row.name][column] or "not run" end
  if why == "" then return "" end
  if not reasons[why] then
    table.insert(reasons, why)
    reasons[why] = #reasons
  end
  return "- " .. reasons[why]
end

local function line(first, width, cells, columns)
  local words = {("| %-" .. width .. "s"):format(first)}
  for i, text in ipairs(cells) do
    words[i + 1] = ("%-" .. math.max(7, #columns[i].title) .. "s"):format(text)
  end
  return table.concat(words, " | ") .. " |"
end

---The matrix as lines, each of which begins with "|".
---@param results table<string, table> # row's name -> column -> "ok" or "FAILED"
function matrix.lines(rows, columns, results)
  local width, reasons, titles = 0, {}, {}
  for _, row in ipairs(rows) do width = math.max(width, #row.name) end
  for i, column in ipairs(columns) do titles[i] = column.title end
  local lines = {line("", width, titles, columns)}
  for _, row in ipairs(rows) do
    local cells = {}
    for i, column in ipairs(columns) do cells[i] = cell(row, column, results, reasons) end
    table.insert(lines, line(row.name, width, cells, columns))
  end
  for i, why in ipairs(reasons) do table.insert(lines, ("| - %d: %s"):format(i, why)) end
  return lines
end

return matrix
