-- A list of rows for rows.lua, and the function that adds one to it.

--- row(name, run [, more]) adds {name = name, run = run} with the fields of `more`.
---@param defaults? table # fields of every row
---@return table[] rows, fun(name: string, run: fun(t: table), more: table?) row
return function(defaults)
  local rows = {}
  return rows, function(name, run, more)
    local all = {name = name, run = run}
    for _, fields in ipairs {defaults or {}, more or {}} do
      for key, value in pairs(fields) do all[key] = value end
    end
    table.insert(rows, all)
  end
end
