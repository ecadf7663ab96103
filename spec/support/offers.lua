-- Offers and answers in Sec-WebSocket-Extensions fields, valid and invalid, for the
-- specs of both roles.

local offers = {}

offers.FIELD = "sec-websocket-extensions"
offers.BITS = {"server_max_window_bits", "client_max_window_bits"}
offers.FLAGS = {"server_no_context_takeover", "client_no_context_takeover"}

---An element for permessage-deflate with these parameters, written out.
function offers.offer(...)
  return table.concat({"permessage-deflate", ...}, "; ")
end

-- Values that are not a number from 8 to 15 in the form of RFC 7692 section 7.1.2.
offers.BAD_BITS = {"=7", "=16", "=0", "=999", "=08", "=010", "=+9", "=-9", "=1e1", "=9.0", "=0x9",
  "=nine", "=9a", "=99999999999999999999", "=256", "=265", "=4294967305"}

-- Values that the grammar does not allow (RFC 6455 section 9.1).
offers.BROKEN = {"=", '=""', '=" 9"', '="9', '=9"', "=9 9", "=9=9", "==9", "=[9]", "='9", '="9"9',
  '="9\\'}

return offers
