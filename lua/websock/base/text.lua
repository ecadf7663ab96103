-- What a value says of itself; one that cannot (its __tostring raises) is named by
-- its type.

---@param value any
---@return string
return function(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(" .. type(value) .. ")"
end
