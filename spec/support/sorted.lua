-- The keys of a table, sorted.

---@param set table<string, any>
---@return string[]
return function(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end
