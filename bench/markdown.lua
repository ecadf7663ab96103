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

return markdown
