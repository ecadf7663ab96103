-- Our client and nginx: its refusals and redirects, and itself as a proxy of our server.

local socket = require "socket"
local websock = require "websock"
local backoff = require "websock.client.backoff"
local ends = require "support.ends"
local process = require "support.process"
local raw = require "support.raw"

-- All sockets are in one folder, so that no port has to be free.
local CONFIG = [[
daemon off;
master_process off;
pid FOLDER/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;

  server {
    listen unix:FOLDER/nginx;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $http_host;
    location / { proxy_pass http://unix:FOLDER/backend; }
    location = /moved { return 301 /a; }
    location = /found { add_header Set-Cookie "sid=31; Path=/; HttpOnly" always; return 302 /b?c; }
    location = /308 { return 308 http://$http_host/d; }
    location = /round { return 307 /round; }
    location = /forbidden { return 403; }
    location = /gone { return 410; }
    location = /busy { add_header Retry-After 7 always; return 429; }
    location = /down { return 503; }
    location = /mine {
      auth_basic "mine";
      auth_basic_user_file FOLDER/users;
      proxy_pass http://unix:FOLDER/backend;
    }
  }
}
]]

describe("nginx", function()
  local folder, nginx

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    assert(file:write(text))
  end

  local function connect(path, options, user)
    local o = {unix = folder .. "/nginx", redirects = 5}
    for name, value in pairs(options or {}) do o[name] = value end
    return websock.connect("ws://" .. (user or "") .. "shop.example" .. path, o)
  end

  local function serve()
    return ends.listen {unix = folder .. "/backend", handler = function(ws)
      ws:send(ws.request.target .. " " .. (ws.request.headers.cookie or ""))
      ws:receive()
    end}
  end

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 755 " .. folder))
    write("users", "me:{PLAIN}secret\n")
    write("conf", (CONFIG:gsub("FOLDER", folder)))
    nginx = process.start({"nginx", "-p", folder, "-e", "stderr", "-c", folder .. "/conf"},
      {turn = websock.sleep, env = {PATH = os.getenv "PATH" .. ":/usr/sbin"}})
    local deadline = socket.gettime() + raw.patience
    while select(2, connect "/gone") ~= "refused" do
      assert.is_nil(nginx:ended(), nginx:output())
      assert.is_true(socket.gettime() < deadline, "nginx does not answer")
      socket.sleep(0.01)
    end
  end)

  teardown(function()
    nginx:stop()
    os.execute("rm -rf " .. folder)
  end)

  after_each(function() ends.finish() end)

  it("refuses, with status, fields and body", function()
    for path, expected in pairs {
      ["/forbidden"] = "403 Forbidden", ["/gone"] = "410 Gone", ["/busy"] = "429 Too Many Requests",
      ["/down"] = "503 Service Temporarily Unavailable", ["/mine"] = "401 Unauthorized",
      ["/a"] = "502 Bad Gateway",
    } do
      local _, err, response = connect(path)
      assert.same({"refused", expected}, {err, tostring(response)})
      assert.matches("<title>" .. response.status .. " .*</html>", response.body)
      assert.equal("ws://shop.example" .. path, response.url)
    end
    assert.equal('Basic realm="mine"', select(3, connect "/mine").headers["WWW-Authenticate"])
  end)

  it("lets us in with user and password", function()
    serve()
    local ws = assert(connect("/mine", nil, "me:secret@"))
    assert.equal("/mine ", ws:receive())
    ws:close()
    assert.equal("401 Unauthorized", tostring(select(3, connect("/mine", nil, "me:wrong@"))))
  end)

  it("redirects", function()
    serve()
    for path, target in pairs {["/moved"] = "/a ", ["/found"] = "/b?c sid=31", ["/308"] = "/d "} do
      local ws = assert(connect(path, {cookies = websock.cookies()}))
      assert.equal(target, ws:receive())
      ws:close()
    end
    assert.equal("307 Temporary Redirect (not followed: a loop)", tostring(select(3, connect "/round")))
  end)

  it("is asked again after as long as it says", function()
    local delays, random = {}, backoff.random
    backoff.random = function() return 0 end
    for _ in websock.reconnect("ws://shop.example/busy", {
      unix = folder .. "/nginx",
      on_retry = function(_, delay)
        delays[#delays + 1] = delay
        return false
      end,
    }) do error "it lets us in" end
    backoff.random = random
    assert.same({7}, delays)
  end)

  it("gives 502 until its server is back, and reconnect waits for that", function()
    local refused, got, server = 0, {}, nil
    for ws in websock.reconnect("ws://shop.example/a", {
      unix = folder .. "/nginx", backoff = {max = 0.01},
      on_retry = function(err, _, _, response)
        if err ~= "refused" then return end
        assert(response.status == 502)
        refused = refused + 1
        if refused % 3 == 0 then server = serve() end
      end,
    }) do
      got[#got + 1] = ws:receive()
      server:stop(0)
      if #got == 3 then break end
    end
    assert.same({"/a ", "/a ", "/a "}, got)
    assert.is_true(refused >= 9)
  end)
end)
