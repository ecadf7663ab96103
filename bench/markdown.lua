-- Tables in Markdown.
local markdown = {}

function markdown.row(cells) return "| " .. table.concat(cells, " | ") .. " |\n" end

function markdown.heading(titles)
  local rule = {}
  for i = 1, #titles do rule[i] = "---" end
  return markdown.row(titles) .. markdown.row(rule)
end

-- Returns one list of the cells of all.
function markdown.join(...)
  local all = {}
  for _, list in ipairs {...} do table.move(list, 1, #list, #all + 1, all) end
  return all
end

-- A number of three digits.
function markdown.short(value)
  return (value < 9.995 and "%.2f" or value < 99.5 and "%.1f" or "%.0f"):format(value)
end

-- Median, least, greatest.
function markdown.spread(a, b, c)
  return ("%s (%s-%s)"):format(markdown.short(a), markdown.short(b), markdown.short(c))
end

-- Replaces what stands between the lines `from` and `to` of a file.
function markdown.replace(name, from, to, text)
  local file <close> = assert(io.open(name))
  local all = file:read "a"
  local _, first = all:find(from .. "\n", 1, true)
  local last = first and all:find(to .. "\n", first, true)
  if not last then error(name .. " has lost its marks", 0) end
  local out <close> = assert(io.open(name, "w"))
  assert(out:write(all:sub(1, first), "\n", text, "\n", all:sub(last)))
end

return markdown
